package hyperdrive

import (
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
)

var blobsNamespace = hash.Namespace("hyperdrive", 0)

// BlobsManifest derives the manifest and the key of the blobs core from a drive's key and the encoded manifest of its
// names core: the same signers, in other namespaces. ErrNoBlobs for a core whose manifest is missing or of version 0:
// its header must name the blobs core. Source: hyperdrive, getBlobsKey; vectors: blobs-keys.json.
func BlobsManifest(driveKey keys.Key, manifest []byte) (blobs []byte, key keys.Key, err error) {
	if len(manifest) == 0 {
		return nil, key, fmt.Errorf("%w: core %v has no manifest to derive it from, and its header does not name it", ErrNoBlobs, driveKey)
	}
	names, err := keys.DecodeManifest(manifest)
	if err != nil {
		return nil, key, fmt.Errorf("%w: %w", ErrNoBlobs, err)
	}
	if names.Key() != driveKey { // a compat core's manifest, which stock makes up
		return nil, key, fmt.Errorf("%w: core %v has no manifest of its own, and its header does not name it", ErrNoBlobs, driveKey)
	}
	if names.Version == 0 {
		return nil, key, fmt.Errorf("%w: the manifest of core %v is of version 0, and its header does not name it", ErrNoBlobs, driveKey)
	}
	m := keys.Manifest{Version: names.Version, AllowPatch: names.AllowPatch, Quorum: names.Quorum}
	for _, s := range names.Signers {
		s.Namespace = hash.Sum(blobsNamespace[:], driveKey[:], s.Namespace[:])
		m.Signers = append(m.Signers, s)
	}
	return m.Encode(), m.Key(), nil
}
