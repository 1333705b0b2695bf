package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
)

// Store keeps notes by their name.
type Store struct {
	mu    sync.Mutex
	notes map[string]string
}

// Get returns a note, and whether there is one.
func (s *Store) Get(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note, ok := s.notes[name]
	return note, ok
}

// Put replaces a note.
func (s *Store) Put(name, note string) error {
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("a note needs a name, not %q", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes = map[string]string{}
	}
	s.notes[name] = note
	return nil
}

func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/notes/")
	switch r.Method {
	case http.MethodGet:
		note, ok := s.Get(name)
		if !ok {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]string{"note": note}); err != nil {
			log.Printf("encoding %s: %v", name, err)
		}
	case http.MethodPut:
		var body struct{ Note string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.Put(name, body.Note); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "only GET and PUT", http.StatusMethodNotAllowed)
	}
}

func main() {
	http.Handle("/notes/", &Store{})
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}
