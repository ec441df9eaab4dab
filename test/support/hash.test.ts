import fc from "fast-check";
import { expect, test } from "vitest";
import { createHasher, sha256Hex } from "../../src/support/hash.js";
import { portableSha256Hex } from "../../src/support/portableHash.js";

test("property: the native hash, in one call or in pieces, is what an independent implementation says", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(5000), (bytes, cut) => {
      const whole = createHasher();
      whole.update(bytes.subarray(0, cut));
      whole.update(bytes.subarray(cut));
      const expected = portableSha256Hex(bytes);
      expect(sha256Hex(bytes)).toBe(expected);
      expect(whole.hex()).toBe(expected);
    }),
  );
});
