package api

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"airlock/handlers/internal/airlock"
)

// healthCache keeps one look at the dependencies for a moment: anybody may ask, and nobody may make that costly.
type healthCache struct {
	mu     sync.Mutex
	checks []airlock.Check
	until  time.Time
}

type healthOutput struct {
	Status int
	Body   struct {
		Health       string       `json:"health" enum:"well,ill"`
		Version      string       `json:"version,omitempty" doc:"Of the program. For TRE admins only."`
		Dependencies []dependency `json:"dependencies,omitempty" nullable:"false" doc:"For TRE admins only."`
	} `nameHint:"Health"`
}

type dependency struct {
	Name    string  `json:"name"`
	Health  string  `json:"health" enum:"well,ill"`
	Seconds decimal `json:"seconds" doc:"How long it took to answer."`
	Problem *string `json:"problem" doc:"What is wrong with it."`
}

// addHealth adds what tells operators whether the airlock works.
func (s *server) addHealth() {
	add(s, operation{
		id: "getHealth", method: http.MethodGet, path: "/api/health", tag: "Operation", summary: "Ask whether the airlock works", open: true,
		about: "Well or ill for anybody; every dependency for TRE admins. 503 says ill. One look serves everybody for some seconds.",
	}, s.checkHealth)
	described := s.api.OpenAPI().Paths["/api/health"].Get.Responses
	described["503"].Content["application/json"] = described["200"].Content["application/json"]
}

func (s *server) checkHealth(ctx context.Context, who airlock.Identity, _ *struct{}) (*healthOutput, error) {
	out := &healthOutput{Status: http.StatusOK}
	out.Body.Health = health("")
	admin := who.ForAPI && slices.Contains(who.Roles, airlock.RoleAdmin)
	if admin {
		out.Body.Version = s.Version
	}
	for _, c := range s.checks(ctx) {
		if c.Problem != "" {
			out.Status, out.Body.Health = http.StatusServiceUnavailable, health(c.Problem)
		}
		if admin {
			out.Body.Dependencies = append(out.Body.Dependencies, dependency{c.Name, health(c.Problem), decimal(c.Took.Seconds()), orNull(c.Problem)})
		}
	}
	return out, nil
}

// checks looks at the dependencies, unless somebody has just done so. While one looks, the others wait for it.
func (s *server) checks(ctx context.Context) []airlock.Check {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if s.Now().Before(s.health.until) {
		return s.health.checks
	}
	checks := s.Service.Health(context.WithoutCancel(ctx))
	s.health.checks, s.health.until = checks, s.Now().Add(s.Limits.HealthFor)
	return checks
}

func health(problem string) string {
	if problem != "" {
		return "ill"
	}
	return "well"
}
