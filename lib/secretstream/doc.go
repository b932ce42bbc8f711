// Package secretstream encrypts a byte stream between two peers as stock does: a Noise XX handshake, then libsodium's
// secretstream.
//
// Begin with [Handshake] over any ordered byte stream; both sides agree beforehand which is the initiator (over TCP, the one
// that connects). It proves that the peer holds the static key of [Conn.RemotePublic] and nothing else: whether the peer may
// have a core is decided one layer up, by capabilities over [Conn.HandshakeHash]. After it, messages keep their boundaries
// and their order; one that was changed, dropped, repeated or moved fails the connection. Lengths and times are not hidden.
//
// One goroutine may read while another one writes. Memory is bounded by the longest frame in each direction, 16 MiB. It grows
// with the bytes that have really come, not with what a length claims, and large buffers are released when the stream falls
// idle.
//
// # Format
//
//	frame      length u24le, then as many bytes
//	-> e              32 bytes   Noise_XX_Ed25519_ChaChaPoly_BLAKE2b, no prologue, no payloads;
//	<- e, ee, s, es   96 bytes   public keys are compressed Ed25519 points, secret ones their seeds,
//	-> s, se          64 bytes   DH is scalar(seed) · point, compressed
//	header            56 bytes   each side: stream id, 32 bytes, and the secretstream's header, 24 bytes
//	message       n + 17 bytes   encrypted tag, 1 byte, n bytes of ciphertext, MAC, 16 bytes
//
//	stream id = BLAKE2b-256(key = handshake hash; namespace("hyperswarm/secret-stream", 0 initiator, 1 responder))
//
// There is no goodbye: a stream may end between any two frames. Source: @hyperswarm/secret-stream 6.9.2,
// noise-handshake 4.2.0, noise-curve-ed 2.1.0, libsodium; vectors: transport.json, transcripts.json.
package secretstream
