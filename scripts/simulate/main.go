// Command simulate runs the simulation of the airlock: go run ./scripts/simulate -seeds 100000. It prints runs, steps,
// faults by kind and violations, and ends with 1 when there are any. -seed N -seeds 1 -v prints every step of one run.
//
// It only starts the program that does it: that lives with the packages that it simulates, which nothing from outside may
// import.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// program is the simulation as a command.
const program = "airlock/handlers/internal/simulation/simulate"

func main() {
	cmd := exec.Command("go", append([]string{"run", program}, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(2)
	}
}
