package main

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"airlock/scripts/localazure"
)

// newWorkspace makes a workspace that shares its storage accounts and its app registration with a demo one: containers have
// the ids of requests, so nothing collides.
func newWorkspace(ctx context.Context, p *people, like localazure.Workspace, maxFiles int) (*people, error) {
	w := like
	w.ID, w.MaxFiles = uuid.NewString(), maxFiles
	other := p.in(w)
	return other, other.api.Call(ctx, admin, http.MethodPut, "/airlock", map[string]any{
		"displayName": "Bench", "description": "Made by the bench", "directions": []string{"import", "export"}, "audience": w.Audience(),
		"members": []any{}, "maxFiles": maxFiles, "maxBytes": int64(50) << 30, "scanning": w.Scanning, "approvals": 1, "suffix": w.Suffix,
	}, nil)
}
