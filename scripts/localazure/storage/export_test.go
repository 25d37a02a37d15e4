package storage

// AzuriteAt is where Azurite listens, or did.
func (s *Storage) AzuriteAt() []string {
	at := s.child.at.Load()
	return []string{at.blob, at.table}
}
