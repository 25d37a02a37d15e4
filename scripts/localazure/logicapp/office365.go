package logicapp

import (
	"context"
	"fmt"

	"airlock/scripts/localazure/logicapp/workflow"
)

const office365 = workflow.ManagedAPI + "office365"

// sendByOffice365 is the operation "Send an email (V2)" of the Office 365 Outlook connector, for which the mail server of
// this machine stands in. Azure: its body has To, Subject and Body, which is HTML, and may have From (the account of the
// connection, or one that it may send as), Cc, Bcc, ReplyTo, Importance, Sensitivity and Attachments; several addresses are
// separated by semicolons. Those from ReplyTo on are not supported.
func (a *App) sendByOffice365(ctx context.Context, p map[string]any) (any, error) {
	m, err := officeLetter(p)
	if err != nil {
		return nil, err
	}
	data, err := m.encode(a.options.Now())
	if err != nil {
		return nil, err
	}
	return nil, deliver(ctx, a.options.SMTPAddress, m.from, m.recipients(), data)
}

// officeLetter reads the body of the call. A mail without From would come from the account of the connection, which there is
// none of here.
func officeLetter(p map[string]any) (letter, error) {
	names := map[string]string{"From": "from", "To": "to", "Cc": "cc", "Bcc": "bcc", "Subject": "subject", "Body": "body"}
	smtp := map[string]any{"isHTML": true}
	for key, value := range p {
		name, ok := names[key]
		if !ok {
			return letter{}, fmt.Errorf("unknown parameter %q", key)
		}
		smtp[name] = value
	}
	for _, key := range []string{"To", "Subject", "Body"} {
		if _, ok := p[key]; !ok {
			return letter{}, fmt.Errorf("%s is missing", key)
		}
	}
	return letterOf(smtp)
}
