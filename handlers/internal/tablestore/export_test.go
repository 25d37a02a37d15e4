package tablestore

// Release returns the store as a program of another release sees it.
func (s *Store) Release(reads, writes, needs int) *Store {
	other := *s
	other.formats = formats{reads: reads, writes: writes, needs: needs}
	return &other
}
