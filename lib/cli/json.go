package cli

import (
	"encoding/json"
	"io"
)

// WriteJSON writes one object and an LF: a line of JSON Lines. HTML characters are not escaped.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
