package main

import (
	"context"
	"errors"
	"fmt"

	"airlock/handlers/internal/airlock"
	"airlock/handlers/internal/api"
	"airlock/handlers/internal/entra"
)

// identifier lets the API ask who sent a token, in the domain's words.
type identifier struct {
	verifier  *entra.Verifier
	audiences []string // the API's own
}

// Identify verifies the token in an Authorization header.
func (i identifier) Identify(ctx context.Context, authorization string) (airlock.Identity, error) {
	raw, err := entra.Bearer(authorization)
	if err != nil {
		return airlock.Identity{}, fmt.Errorf("identify: %w", translated(err))
	}
	token, err := i.verifier.Verify(ctx, raw)
	if err != nil {
		return airlock.Identity{}, fmt.Errorf("identify: %w", translated(err))
	}
	identity := airlock.Identity{
		Person: airlock.Person{ID: token.Subject, Name: nameOf(token), Email: token.Email, Audience: token.Audience},
		Groups: token.Groups, GroupsLeftOut: token.GroupsOverflow, ForAPI: token.For(i.audiences...),
	}
	for _, r := range token.Roles {
		identity.Roles = append(identity.Roles, airlock.Role(r))
	}
	return identity, nil
}

// nameOf is how others see whose token it is. An application's token holds no name; its client id is what people can
// look up.
func nameOf(token entra.Token) string {
	if token.App && token.Name == "" {
		return "Application " + token.AppID
	}
	return token.Name
}

// translated gives an error of entra the meaning that the API knows, and keeps its text.
func translated(err error) error {
	for from, to := range map[error]error{
		entra.ErrNoToken: api.ErrNoToken, entra.ErrExpired: api.ErrExpired, entra.ErrSignature: api.ErrSignature,
		entra.ErrUnavailable: api.ErrUnavailable,
	} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w: %w", to, err)
		}
	}
	return err
}
