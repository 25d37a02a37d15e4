package busqueue

// EncodeNotice and Plain let tests look at what is made, without a broker.
var (
	EncodeNotice = encodeNotice
	Plain        = plain
)
