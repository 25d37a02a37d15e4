package statemachine_test

import (
	"testing"

	sm "airlock/statemachine"
)

// reviewing is what the rules look at most: a request in review, and a reviewer who may do everything.
func reviewing() sm.Facts {
	return sm.Facts{
		Status: sm.InReview, Parties: sm.Reviewer | sm.Owner, DirectionEnabled: true, SlotsOpen: 1, Explanation: true,
	}
}

func BenchmarkDecide(b *testing.B) {
	f := reviewing()
	b.ReportAllocs()
	for b.Loop() {
		if t, _ := sm.Decide(f, sm.EventApprove); t == nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	f := reviewing()
	b.ReportAllocs()
	for b.Loop() {
		if t, _ := sm.Choose(f, sm.ActionReview, sm.DecisionApproved); t == nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAllowedActions(b *testing.B) {
	f := reviewing()
	b.ReportAllocs()
	for b.Loop() {
		if len(sm.AllowedActions(f)) == 0 {
			b.Fatal("none")
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	t, _ := sm.Decide(reviewing(), sm.EventApprove)
	owed := []sm.Task{{Kind: sm.KindErase, From: sm.Spot{Zone: sm.Intake, Round: 1}}}
	b.ReportAllocs()
	for b.Loop() {
		if next, _ := sm.Plan(*t, 1, owed); len(next) != 4 {
			b.Fatal(next)
		}
	}
}
