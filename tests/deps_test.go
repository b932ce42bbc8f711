package tests

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers are the packages from the ground up. A package imports only from its own layer or below.
var layers = []struct {
	name     string
	packages []string
}{
	{"primitives", []string{"lib/hash", "lib/hash/simd", "lib/checksum", "lib/compact", "lib/chunk", "lib/merkle", "lib/keys", "lib/hidden", "lib/lent", "lib/gather", "lib/zstdframe"}},
	{"connections", []string{"lib/budget", "lib/peer", "lib/protomux", "lib/secretstream", "lib/discovery"}},
	{"data", []string{"lib/stream", "lib/hyperbee", "lib/hyperdrive", "lib/proof", "lib/keyfile", "lib/keylock", "lib/store/packlog", "lib/store/packlog/memfs",
		"lib/store/table", "lib/store/treetable", "lib/store/records", "lib/store/codec", "lib/store/runs", "lib/store/blockmap",
		"lib/store/derived", "lib/store/commits", "lib/store/passages", "lib/store/checkpoint", "lib/store/positions", "lib/store/census", "lib/store/coalesce", "lib/store/dedup",
		"lib/store/smallfile", "lib/store", "lib/hypercore"}},
	{"capabilities", []string{"lib/folder", "lib/drivetar", "lib/replicate/messages", "lib/replicate/publish", "lib/replicate/bitfield", "lib/replicate/answers", "lib/replicate/copies", "lib/replicate", "lib/replicate/replicatetest", "lib/drive", "lib/objects", "lib/worktree"}},
	{"what binaries share", []string{"lib/cli", "lib/cli/network"}},
	{"binaries", []string{"cmd/*"}},
	{"tests", []string{"tests", "tests/*"}},
}

// never are imports that the layers would allow, or that come from outside, each with the reason why not. A pattern
// ends in * where anything may follow; packages of this module are named without its name.
var never = []struct{ from, to, why string }{
	{"lib/*", "github.com/urfave/cli/*", "only lib/cli knows a command line"},
	{"lib/cli", "connections", "a tool that talks to nobody links nothing of the network: see lib/cli/network"},
	{"lib/cli", "lib/replicate", "a tool that talks to nobody links nothing of the network: see lib/cli/network"},
	{"*", "lib/keylock", "a tool that opens no locked key does not link what can: it hands in an Unlocker"},
	{"lib/*", "golang.org/x/term", "only lib/cli knows a terminal"},
	{"lib/*", "os/signal", "only lib/cli knows a process"},
	{"lib/*", "flag", "only lib/cli knows a command line"},
	{"lib/*", "log", "a library has no global logger"},
	{"*", "github.com/restic/chunker", "a reference for tests"},
	{"*", "lib/store/packlog/memfs", "a disk for tests"},
	{"*", "lib/replicate/replicatetest", "cores and a connection for tests"},
	{"*", "github.com/minio/sha256-simd", "lib/hash/simd is the one package that knows it"},
	{"*", "github.com/hashicorp/mdns", "lib/discovery is the one package that knows how peers are found"},
	{"*", "github.com/miekg/dns", "lib/discovery is the one package that knows how peers are found"},
	{"*", "filippo.io/age*", "lib/keylock is the one package that knows how a secret key is locked"},

	{"primitives", "os*", "primitives do no I/O"},
	{"primitives", "net*", "primitives do no I/O"},
	{"primitives", "syscall", "primitives do no I/O"},
	{"primitives", "golang.org/x/sys/unix", "primitives do no I/O"},
	{"primitives", "log*", "primitives do no I/O"},
	{"primitives", "time", "primitives have no clock"},
	{"primitives", "math/rand*", "primitives have no randomness but a reader that is passed in"},
	{"primitives", "crypto/rand", "primitives have no randomness but a reader that is passed in"},

	{"connections", "lib/merkle", "a connection carries any bytes"},
	{"connections", "lib/chunk", "a connection carries any bytes"},
	{"lib/merkle", "lib/keys", "a tree does not know who signs it"},
	{"lib/chunk", "lib/merkle", "where a cut goes does not depend on what it becomes"},

	{"lib/store/packlog", "lib/store", "the log does not know what its records mean"},
	{"lib/store/packlog", "lib/store/table", "the log does not know what is derived from it"},
	{"lib/store/packlog", "lib/store/records", "the log does not know what its records mean"},
	{"lib/store/packlog", "lib/merkle", "the log does not know what its records mean"},
	{"lib/store/packlog", "lib/keys", "the log does not know what its records mean"},
	{"lib/store/table", "lib/store", "a table does not know its rows"},
	{"lib/store/treetable", "lib/store/records", "a tree's table does not know the log"},
	{"lib/store/runs", "lib/store/table", "a run does not know what is derived from it"},
	{"lib/store/records", "lib/store/table", "a record does not know what is derived from it"},
	{"lib/store", "lib/hypercore", "the store keeps heads, it does not make them"},
	{"lib/store*", "lib/proof", "a pipe format is no way to store things"},
	{"lib/store*", "lib/stream", "a pipe format is no way to store things"},
	{"lib/stream", "lib/store*", "a stream is written and read without a store"},
	{"lib/stream", "lib/proof", "the two pipe formats know nothing of each other"},
	{"lib/proof", "lib/store*", "a proof is verified without a store"},
	{"lib/proof", "lib/stream", "the two pipe formats know nothing of each other"},
	{"lib/proof", "lib/hypercore", "a proof is verified without a store"},
	{"lib/hyperbee", "lib/*", "a tree of names knows its blocks only"},
	{"lib/hyperdrive", "lib/store*", "a drive is read wherever its blocks come from"},
	{"lib/hyperdrive", "lib/hypercore", "a drive is read wherever its blocks come from"},
	{"lib/hyperdrive", "lib/proof", "a proof walks a drive, not the other way"},
	{"lib/store*", "lib/hyperbee", "the store does not know what blocks mean"},
	{"lib/store*", "lib/hyperdrive", "the store does not know what blocks mean"},
	{"lib/replicate/messages", "lib/store*", "a message does not know what is made of it"},
	{"lib/replicate/messages", "lib/protomux", "a message does not know what carries it"},
	{"lib/replicate/publish", "lib/store*", "a message does not know what is made of it"},
	{"lib/replicate/publish", "lib/protomux", "a message does not know what carries it"},
	{"lib/replicate/bitfield", "lib/*", "what a peer has is numbers of blocks"},
	{"lib/replicate/copies", "lib/protomux", "whatever connection asks, the answer is the same"},
	{"data", "connections", "data does not know how it travels"},
	{"cmd/*", "lib/store/*", "the store is used as a whole"},
}

// exempt are the packages to which a rule from lib/* or * does not apply, with what they may import.
var exempt = map[string][]string{
	"lib/cli":         {"github.com/urfave/cli/*", "golang.org/x/term", "os/signal"},
	"lib/cli/network": {"github.com/urfave/cli/*"},
	"lib/hash/simd":   {"github.com/minio/sha256-simd"},

	"lib/keyfile":   {"filippo.io/age/armor"}, // what a locked key looks like from outside
	"lib/keylock":   {"filippo.io/age*"},
	"cmd/hc":        {"lib/keylock"},
	"cmd/hc-append": {"lib/keylock"},
	"cmd/hc-serve":  {"lib/keylock"},
	"lib/discovery": {"github.com/hashicorp/mdns", "github.com/miekg/dns", "log"}, // log: to keep that one quiet
}

type listed struct {
	ImportPath, Dir  string
	GoFiles, Imports []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal("go list: ", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, "hc/")
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range listPackages(t) {
		own := layerOf(p.ImportPath)
		if own < 0 {
			t.Errorf("%s: in no layer; give it its place in this file", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			imported, ours := strings.CutPrefix(imported, "hc/")
			if at := layerOf(imported); ours && at > own {
				t.Errorf("%s (%s) imports %s (%s), which stands above it", p.ImportPath, layers[own].name, imported, layers[at].name)
			}
			for _, rule := range never {
				if applies(rule.from, p.ImportPath) && applies(rule.to, imported) && !mayImport(p.ImportPath, imported) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, rule.why)
				}
			}
		}
	}
}

// unlinked are packages that a tool does not need and so must not link, directly or indirectly: each costs time at every start.
var unlinked = map[string][]string{
	"hc-verify": {"net", "net/http", "crypto/tls", "os/exec", "github.com/hashicorp/mdns", "github.com/miekg/dns", "filippo.io/age",
		"github.com/flynn/noise", "github.com/minio/sha256-simd", "github.com/klauspost/cpuid/v2", "hc/lib/replicate", "hc/lib/folder", "hc/lib/drive"},
	"hc-chunk": {"net", "net/http", "crypto/tls", "os/exec", "github.com/hashicorp/mdns", "github.com/miekg/dns", "filippo.io/age",
		"github.com/flynn/noise", "hc/lib/replicate"},
	"hc-fetch": {"net/http", "filippo.io/age", "hc/lib/folder"},
}

func TestToolsLinkWhatTheyUse(t *testing.T) {
	for tool, without := range unlinked {
		cmd := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_docs", "./cmd/"+tool)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatal("go list: ", err)
		}
		links := strings.Fields(string(out))
		if !slices.Contains(links, "hc/lib/cli") {
			t.Fatalf("go list found only %d packages of %s", len(links), tool)
		}
		for _, path := range without {
			if slices.Contains(links, path) {
				t.Errorf("%s links %s, which it does not use: go list -deps, and see which package brings it", tool, path)
			}
		}
	}
}

// TestLibraryIsPure finds uses of the process's own state: only lib/cli and the binaries touch it.
func TestLibraryIsPure(t *testing.T) {
	forbidden := map[string][]string{
		"os":   {"Args", "Exit", "Stdin", "Stdout", "Stderr", "Getenv", "LookupEnv", "Environ", "Setenv", "Unsetenv", "Chdir", "Getwd"},
		"fmt":  {"Print", "Println", "Printf"},
		"slog": {"Default", "SetDefault", "Debug", "Info", "Warn", "Error"},
	}
	for _, p := range listPackages(t) {
		if !strings.HasPrefix(p.ImportPath, "lib/") || strings.HasPrefix(p.ImportPath, "lib/cli") {
			continue
		}
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Obj == nil && slices.Contains(forbidden[x.Name], s.Sel.Name) {
						t.Errorf("%s: %s.%s belongs to lib/cli", fset.Position(s.Pos()), x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func layerOf(path string) int {
	return slices.IndexFunc(layers, func(l struct {
		name     string
		packages []string
	}) bool {
		return slices.ContainsFunc(l.packages, func(pattern string) bool { return matches(pattern, path) })
	})
}

// applies reports whether a pattern, or a layer's name, covers a package.
func applies(pattern, path string) bool {
	for i, l := range layers {
		if l.name == pattern {
			return layerOf(path) == i
		}
	}
	return matches(pattern, path)
}

func mayImport(from, to string) bool {
	return slices.ContainsFunc(exempt[from], func(pattern string) bool { return matches(pattern, to) })
}

func matches(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return path == pattern
}
