package busqueue

// These let tests look at what is made, without a broker.
var (
	AgainID      = againID
	EncodeNotice = encodeNotice
	Plain        = plain
)
