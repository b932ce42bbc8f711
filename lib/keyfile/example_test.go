package keyfile_test

import (
	"bytes"
	"fmt"
	"strings"

	"hc/lib/keyfile"
	"hc/lib/keys"
)

// A new log's key pair, as a file that says which log it is for.
func ExampleNew() {
	random := strings.NewReader(strings.Repeat("no randomness...", 2)) // crypto/rand.Reader
	secret, err := keys.NewSecret(random)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := keys.DefaultManifest(secret.Public()).Key()
	text := keyfile.New(key, secret).Encode()

	file, err := keyfile.Decode(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file, file.Locked())
	fmt.Println(bytes.HasPrefix(text, []byte("hc-secret 2 "+key.String()+" ")))
	// Output:
	// [secret key of core 81cc7895] false
	// true
}
