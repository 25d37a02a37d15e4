package busqueue

import (
	"errors"
	"net"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// describe says what went wrong, in the words of Service Bus where it has some, and whether another try cannot help.
func describe(err error) (said string, final bool) {
	var coded *azservicebus.Error
	var remote *amqp.Error
	switch {
	case errors.Is(err, azservicebus.ErrMessageTooLarge):
		return "the message is too large", true
	case errors.As(err, &coded):
		return "Service Bus says " + string(coded.Code),
			coded.Code == azservicebus.CodeUnauthorizedAccess || coded.Code == azservicebus.CodeNotFound
	case errors.As(err, &remote):
		// The description is left out: it names more than the entity.
		return "Service Bus says " + string(remote.Condition), isFinal(remote.Condition)
	default:
		return plain(err), false
	}
}

// isMissing reports whether there is no such entity.
func isMissing(err error) bool {
	var coded *azservicebus.Error
	var remote *amqp.Error
	return errors.As(err, &coded) && coded.Code == azservicebus.CodeNotFound || errors.As(err, &remote) && remote.Condition == amqp.ErrCondNotFound
}

// isFinal reports whether an error of the protocol is about what was asked, not about the moment.
func isFinal(c amqp.ErrCond) bool {
	switch c {
	case amqp.ErrCondNotFound, amqp.ErrCondUnauthorizedAccess, amqp.ErrCondNotAllowed, amqp.ErrCondNotImplemented,
		amqp.ErrCondInvalidField, amqp.ErrCondDecodeError, amqp.ErrCondMessageSizeExceeded:
		return true
	}
	return false
}

// address is anything that could be a URL, a query or a part of a connection string.
var address = regexp.MustCompile(`(?i)[a-z]+://\S*|\S*(\?|;|SharedAccess)\S*=\S*`)

// plain returns the text of an error of the network or of the credential, without addresses.
func plain(err error) string {
	var n *net.OpError
	if errors.As(err, &n) {
		err = n.Err
	}
	const longest = 300
	text := address.ReplaceAllString(err.Error(), "(address)")
	if len(text) > longest {
		text = text[:longest]
	}
	return text
}
