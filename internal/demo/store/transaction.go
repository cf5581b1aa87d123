package store

func (s *Store) bundle(req *request) (*answer, error) { return nil, unsupported(req) }
