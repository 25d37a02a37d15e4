// Command show prints what a template of infra/ would deploy, without Azure.
//
//	go run ./scripts/infracheck/show [main|workspace] [name=value ...]
//
// A value is JSON where it can be read as JSON, and a text otherwise. It prints a line for each resource, or with
// -json everything.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"airlock/scripts/infracheck"
)

func main() {
	all := flag.Bool("json", false, "print the resources with all that they say")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := show(ctx, *all, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "show:", err)
		os.Exit(1)
	}
}

func show(ctx context.Context, all bool, args []string) error {
	template := "main"
	if len(args) > 0 && !strings.Contains(args[0], "=") {
		template, args = args[0], args[1:]
	}
	program, err := infracheck.Load(ctx, os.DirFS("infra"))
	if err != nil {
		return err
	}
	params := infracheck.Example(template)
	for _, arg := range args {
		name, text, _ := strings.Cut(arg, "=")
		var value any = text
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		} else if number, ok := value.(float64); ok {
			value = int(number)
		}
		params[name] = value
	}
	deployment, err := program.Deploy(template+".bicep", "rg-airlock", params)
	if err != nil {
		return err
	}
	if all {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(deployment)
	}
	for _, r := range deployment.Resources {
		fmt.Printf("%-75s %s\n", r.Type, r.Name)
	}
	return nil
}
