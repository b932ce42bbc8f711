package records

import (
	"hc/lib/compact"
	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

const minNodeBytes = 2 + hash.Size

func appendNode(b []byte, n merkle.Node) []byte {
	b = compact.AppendUint(b, n.Index)
	b = compact.AppendUint(b, n.Size)
	return append(b, n.Hash[:]...)
}

func readNodes(d *compact.Decoder, max int, hint bool) []merkle.Node {
	n := d.ArrayLen(minNodeBytes, max)
	nodes := make([]merkle.Node, 0, n)
	for range n {
		nodes = append(nodes, merkle.Node{Index: d.Uint(), Size: d.Uint(), Hash: d.Fixed32(), Hint: hint})
	}
	return nodes
}

// EncodeNodes encodes a nodes record's meta, certain nodes first.
func EncodeNodes(key keys.Key, nodes []merkle.Node) []byte {
	b := append([]byte{0}, key[:]...)
	for _, hint := range []bool{false, true} {
		count := 0
		for _, n := range nodes {
			if n.Hint == hint {
				count++
			}
		}
		b = compact.AppendUint(b, uint64(count))
		for _, n := range nodes {
			if n.Hint == hint {
				b = appendNode(b, n)
			}
		}
	}
	return b
}

func decodeNodes(meta []byte) (keys.Key, []merkle.Node, error) {
	d := compact.NewDecoder(meta)
	flags(d, 0)
	key := keys.Key(d.Fixed32())
	nodes := readNodes(d, maxNodes, false)
	nodes = append(nodes, readNodes(d, maxNodes-len(nodes), true)...)
	return key, nodes, finish("nodes", d)
}
