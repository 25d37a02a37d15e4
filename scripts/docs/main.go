// Command docs writes the generated parts of README.md: the state diagram and the tables, from the state machine.
package main

import (
	"fmt"
	"os"

	"airlock/scripts/docs/section"
	"airlock/statemachine"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docs README.md")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(old)
	for _, part := range []struct{ name, content string }{
		{"diagram", "```mermaid\n" + statemachine.Mermaid() + "```\n"},
		{"transitions", statemachine.TransitionTable()},
		{"statuses", statemachine.StatusTable()},
		{"tellings", statemachine.TellingTable()},
		{"talks", statemachine.TalkTable()},
	} {
		if text, err = section.Replace(text, part.name, part.content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if text == string(old) {
		return nil
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
