package logicapp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"

	"airlock/scripts/localazure/logicapp/expression"
	"airlock/scripts/localazure/logicapp/workflow"
)

const serviceBus = "/serviceProviders/serviceBus"

// entity is what a trigger listens to: a queue, or a subscription of a topic.
type entity struct{ queue, topic, subscription string }

func (e entity) String() string {
	if e.queue != "" {
		return "queue " + e.queue
	}
	return "subscription " + e.topic + "/" + e.subscription
}

func (e entity) receiver(c *azservicebus.Client) (*azservicebus.Receiver, error) {
	if e.queue != "" {
		return c.NewReceiverForQueue(e.queue, nil)
	}
	return c.NewReceiverForSubscription(e.topic, e.subscription, nil)
}

// entityOf reads what a trigger of the built-in Service Bus connector listens to.
func entityOf(t workflow.Trigger) (entity, error) {
	if !strings.EqualFold(t.Provider, serviceBus) {
		return entity{}, fmt.Errorf("trigger %s: unknown provider %s", t.Name, t.Provider)
	}
	text := func(key string) string { s, _ := t.Parameters[key].(string); return s }
	var e entity
	switch t.Operation {
	case "receiveQueueMessages", "peekLockQueueMessagesV2":
		e.queue = text("queueName")
	case "receiveTopicMessages", "peekLockTopicMessagesV2":
		e.topic, e.subscription = text("topicName"), text("subscriptionName")
	default:
		return entity{}, fmt.Errorf("trigger %s: unknown operation %s", t.Name, t.Operation)
	}
	if e.queue == "" && (e.topic == "" || e.subscription == "") {
		return entity{}, fmt.Errorf("trigger %s: the name of the queue, or of topic and subscription, is missing", t.Name)
	}
	return e, nil
}

// operations are the connectors that a workflow can use here.
func (a *App) operations() map[string]workflow.Operation {
	settle := func(names []string, do func(context.Context, *delivery, map[string]any) error) workflow.Operation {
		return func(ctx context.Context, p map[string]any) (any, error) { return nil, a.settle(ctx, p, names, do) }
	}
	queue, topic := []string{"queueName"}, []string{"topicName", "subscriptionName"}
	return map[string]workflow.Operation{
		workflow.Key(smtpProvider, "sendEmail"):              a.sendEmail,
		workflow.Key(office365, "post /v2/Mail"):             a.sendByOffice365,
		workflow.Key(serviceBus, "completeQueueMessageV2"):   settle(queue, complete),
		workflow.Key(serviceBus, "completeTopicMessageV2"):   settle(topic, complete),
		workflow.Key(serviceBus, "abandonQueueMessageV2"):    settle(queue, abandon),
		workflow.Key(serviceBus, "abandonTopicMessageV2"):    settle(topic, abandon),
		workflow.Key(serviceBus, "deadLetterQueueMessageV2"): settle(queue, deadLetter),
		workflow.Key(serviceBus, "deadLetterTopicMessageV2"): settle(topic, deadLetter),
	}
}

// settle finds the message by its lock token, as the connector does, and settles it once.
func (a *App) settle(ctx context.Context, p map[string]any, names []string, do func(context.Context, *delivery, map[string]any) error) error {
	own := map[string]string{"queueName": a.entity.queue, "topicName": a.entity.topic, "subscriptionName": a.entity.subscription}
	for _, n := range names {
		if name, _ := p[n].(string); name == "" || name != own[n] {
			return fmt.Errorf("%s is not that of the trigger", n)
		}
	}
	token, _ := p["lockToken"].(string)
	a.mu.Lock()
	d, ok := a.inFlight[token]
	a.mu.Unlock()
	if !ok {
		return errors.New("no message is locked with this token")
	}
	if d.settled {
		return errors.New("the message is settled already")
	}
	if err := do(ctx, d, p); err != nil {
		return err
	}
	d.settled = true
	return nil
}

func complete(ctx context.Context, d *delivery, _ map[string]any) error {
	return d.receiver.CompleteMessage(ctx, d.message, nil)
}

func abandon(ctx context.Context, d *delivery, _ map[string]any) error {
	return d.receiver.AbandonMessage(ctx, d.message, nil)
}

func deadLetter(ctx context.Context, d *delivery, p map[string]any) error {
	var o azservicebus.DeadLetterOptions
	if s, ok := p["deadLetterReason"].(string); ok {
		o.Reason = &s
	}
	if s, ok := p["deadLetterErrorDescription"].(string); ok {
		o.ErrorDescription = &s
	}
	return d.receiver.DeadLetterMessage(ctx, d.message, &o)
}

func lockToken(m *azservicebus.ReceivedMessage) string { return uuid.UUID(m.LockToken).String() }

// triggerOutputs is what the trigger gives to a run: one message, or a batch of one where the trigger does not split.
func triggerOutputs(m *azservicebus.ReceivedMessage, split bool) map[string]any {
	message := map[string]any{
		"contentData":   contentData(m),
		"deliveryCount": int64(m.DeliveryCount),
		"lockToken":     lockToken(m),
		"messageId":     m.MessageID,
	}
	properties := map[string]any{}
	for k, v := range m.ApplicationProperties {
		properties[k] = fmt.Sprint(v)
	}
	message["userProperties"] = properties
	optional := map[string]*string{"contentType": m.ContentType, "correlationId": m.CorrelationID, "label": m.Subject, "to": m.To}
	for k, v := range optional {
		if v != nil {
			message[k] = *v
		}
	}
	if split {
		return map[string]any{"body": message}
	}
	return map[string]any{"body": []any{message}}
}

// contentData follows how Logic Apps treats content: JSON becomes a value, text a string, and everything else an object with the
// bytes in base64.
func contentData(m *azservicebus.ReceivedMessage) any {
	kind := "application/octet-stream"
	if m.ContentType != nil {
		if k, _, err := mime.ParseMediaType(*m.ContentType); err == nil {
			kind = k
		}
	}
	switch {
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		if v, err := expression.ParseJSON(m.Body); err == nil {
			return v
		}
	case strings.HasPrefix(kind, "text/"):
		return string(m.Body)
	}
	return map[string]any{"$content-type": kind, "$content": base64.StdEncoding.EncodeToString(m.Body)}
}
