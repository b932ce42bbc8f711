package proof

import (
	"bytes"
	"errors"
)

// intro reads the frames up to the first head.
func (v *verifier) intro() error {
	word, err := v.in.peek()
	if errors.Is(err, ErrUnverified) { // no line
		word, err = v.in.buf[v.in.start:v.in.end], nil
	}
	if err != nil {
		return err
	}
	if string(word) != version {
		return v.in.fail("%w", &NotProofError{Begins: shorten(string(word))})
	}
	w := v.in.words()
	v.sum.Key = w.hex32()
	if !w.ok() {
		return v.in.fail("no key after %s", version)
	}
	if v.opt.Key != nil && *v.opt.Key != v.sum.Key {
		return v.in.fail("the stream is of %v, not of %v", v.sum.Key, *v.opt.Key)
	}
	v.in.take()
	if err := v.readClaim(); err != nil {
		return err
	}
	return v.readManifest()
}

// readClaim reads the claim, and compares it with what was asked for.
func (v *verifier) readClaim() error {
	word, err := v.in.peek()
	if err != nil {
		return err
	}
	if string(word) != wordClaim {
		return v.in.fail("%s instead of the claim", spell(word))
	}
	claim, err := ParseClaim(string(v.in.words().left))
	if err != nil {
		return v.in.fail("%w", err)
	}
	want := Claim{}
	if v.opt.Claim != nil {
		want = *v.opt.Claim
	}
	if v.opt.AnyClaim && !claim.OfDrive() {
		asked := want
		want = claim
		if v.opt.Claim != nil {
			want.At = asked.At
		}
	}
	if !want.Equal(claim) {
		return v.in.fail("%w", &ClaimError{Claim: claim, Want: want})
	}
	v.sum.Claim = claim
	v.in.take()
	return nil
}

func (v *verifier) readManifest() error {
	word, err := v.in.peek()
	if err != nil {
		return err
	}
	if string(word) == wordManifest {
		w := v.in.words()
		n := w.number(maxManifest)
		if !w.ok() || n == 0 {
			return v.in.fail("the length of a manifest is from 1 to %d", maxManifest)
		}
		manifest, err := v.in.payload(int(n))
		if err != nil {
			return err
		}
		v.sum.Manifest = bytes.Clone(manifest)
	}
	if v.signer, err = newSigner(v.sum.Key, v.sum.Manifest); err != nil {
		return v.in.fail("%w", err)
	}
	return nil
}
