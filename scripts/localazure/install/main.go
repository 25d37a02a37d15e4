// Command install makes sure that the npm packages of the local Azure are there, before tests that need them start in
// parallel.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"airlock/scripts/localazure/nodejs"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := nodejs.Modules(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}
