package statemachine

//go:generate go test . -run ^TestGolden$ -update
//go:generate go run airlock/scripts/docs ../README.md
