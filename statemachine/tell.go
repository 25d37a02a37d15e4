package statemachine

// Audience is a group of people who are told something.
type Audience string

// The audiences.
const (
	AudienceRequester Audience = "requester"
	AudienceReviewers Audience = "reviewers" // whoever can give a review that is still needed
	AudienceOwners    Audience = "owners"
	AudienceOperators Audience = "operators"
)

// Occasion is what a notice is about. The values are the event types on the wire.
type Occasion string

// The occasions.
const (
	StatusChanged    Occasion = "status_changed"    // the request has come to a status
	ReviewReminder   Occasion = "review_reminder"   // it has waited for a review for a while
	ReviewEscalation Occasion = "review_escalation" // and now for too long
)

// Telling is one row of who is told what.
type Telling struct {
	Status   Status
	Occasion Occasion
	To       []Audience
}

// Tellings returns every row of who is told what, in table order.
func Tellings() []Telling { return append([]Telling(nil), tellings...) }

// Told returns who is told of the occasion in the status; nobody where there is no row.
func Told(s Status, o Occasion) []Audience {
	for _, t := range tellings {
		if t.Status == s && t.Occasion == o {
			return t.To
		}
	}
	return nil
}

// Waits returns the occasions that arise in the status only because time passes, in table order. Each arises at most
// once while the request stays in it.
func Waits(s Status) []Occasion {
	var waits []Occasion
	for _, t := range tellings {
		if t.Status == s && t.Occasion != StatusChanged {
			waits = append(waits, t.Occasion)
		}
	}
	return waits
}

// Acts returns the audience that has to act when it is this turn; empty where no person has to.
func (t Turn) Acts() Audience {
	switch t {
	case TurnRequester:
		return AudienceRequester
	case TurnReviewer:
		return AudienceReviewers
	case TurnOperator:
		return AudienceOperators
	default:
		return ""
	}
}

func tell(audiences ...Audience) []Audience { return audiences }
