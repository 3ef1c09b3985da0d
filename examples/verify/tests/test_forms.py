"""Values of single fields at the edges of their forms (spec/41 §1, §2): both verifiers take the same."""

import base64
import re
import unittest

from tests import demo
from verifier import rosters
from verifier.encoding import Refused

HOSTS = """
localhost a.example A.example a..example a.example. .a -a.example a-.example a_b.example xn--bcher-kva.example
1.2.3.4 01.2.3.4 1.2.3 1.2.3.4.5 256.1.1.1 0.0.0.0 a.1 1.a 1 123 a.0x1 0x7f.1
[::1] [::] [0::1] [::1%lo] [1:2:3:4:5:6:7:8] [1:2:3:4:5:6:7:8:9] [1::3:4:5:6:7:8] [1:0:0:4:0:0:0:8]
[1::4:0:0:0:8] [1:0:0:4::8] [2001:DB8::1] [2001:db8::1] [2001:0db8::1] [::ffff:1.2.3.4] [::ffff:102:304]
[::1.2.3.4] [::102:304] [64:ff9b::1.2.3.4] [64:ff9b::102:304] [1.2.3.4] ::1 [] [::1 ::1] [[::1]] a[::1]
""".split()
ADDRESSES = [f"{host}:7443" for host in HOSTS] + [
    *("a.example:1", "a.example:0", "a.example:65535", "a.example:65536", "a.example:07443"),
    *("a.example:+1", "a.example:", "a.example", ":7443", "a.example:7443 ", " a.example:7443"),
    *("a" * 63 + ".example:1", "a" * 64 + ".example:1", "a.example:1:1", "a.example:٧"),
    ".".join(["a" * 49] * 5) + ".b1c:1",
    ".".join(["a" * 49] * 5) + ".b12c:1",
]
TIMES = """
2027-01-31T00:00:00Z 2027-01-31T00:00:00z 2027-01-31t00:00:00Z 2027-01-31T00:00:00+00:00 2027-02-29T00:00:00Z
2028-02-29T00:00:00Z 2027-01-31T24:00:00Z 2027-01-31T23:59:60Z 2026-12-31T23:59:60Z 2027-01-31T00:00Z
2027-1-31T00:00:00Z 2027-01-31T00:00:00.0Z 02027-01-31T00:00:00Z 2027-00-31T00:00:00Z 2027-01-00T00:00:00Z
1969-12-31T23:59:59Z 1970-01-01T00:00:00Z 9998-12-31T23:59:59Z 9999-01-01T00:00:00Z 0000-01-01T00:00:00Z
+2027-01-31T00:00:00Z 20270131T000000Z 2027-01-31
""".split() + ["2027-01-31 00:00:00Z", "2027-01-31T00:00:00 Z", ""]
NUMBERS = "1 2 0 01 +1 -1 1.0 1e1 0x1 ١ 18446744073709551615 18446744073709551616 99999999999999999999999".split()
NAMES = [
    "demo",
    "a",
    "a.b",
    "a..b",
    ".a",
    "a.",
    "a-b",
    "-a",
    "a-",
    "a.-b",
    "A",
    "a_b",
    "a b",
    "",
    "0",
    "ä",
]
NAMES += ["a" * 63, "a" * 64, "a/b", "a+b", "a:b"]
THRESHOLDS = [
    "1 of 1",
    "0 of 1",
    "2 of 1",
    "1 of 2",
    "1  of 1",
    "01 of 1",
    "1 of 33",
    "1 Of 1",
    "1of1",
    "1 of ",
]
QUORUMS = ["more than half", "More than half", "1", "2", "0", "3", "4", "01", "half", ""]
DIGESTS = ["ab" * 32, "AB" * 32, "ab" * 31, "ab" * 33, "+a" * 32, "", "none", "0x" + "ab" * 31]
TYPES = [
    "ip 1",
    "ip 0",
    "ip 255",
    "ip 256",
    "ip 01",
    "IP 1",
    "ip",
    "ip 1 1",
    " 1",
    "ip  1",
    "a-b 1",
    "_ 1",
]
TYPES += ["a" * 63 + " 1", "a" * 64 + " 1", "aa 1", "zz 1"]
ENCODED = [
    base64.b64encode(bytes(range(32))).decode(),
    "",
    "AAAA",
    "A" * 43 + "=",
    "A" * 42 + "B=",
    "A" * 43,
]
ENCODED += ["B" + "A" * 42 + "=", "_" * 43 + "=", "A" * 44]
VALUES = {
    "consortium": NAMES,
    "number": NUMBERS,
    "previous": DIGESTS,
    "not-before": TIMES,
    "expires": TIMES,
    "signatures": THRESHOLDS,
    "next-signatures": THRESHOLDS,
    "witness-quorum": QUORUMS,
    "canonicalisation": TYPES,
    "table": [f"{name} {'ab' * 32}" for name in NAMES]
    + [f"list {digest}" for digest in DIGESTS],
    "member": NAMES,
    "role": ["provider", "liaison", "Provider", "", "witness"],
    "witness": ["yes", "no", "Yes", "", "maybe"],
    "address": ADDRESSES,
    "identity-key": ENCODED,
    "hpke-key": ENCODED,
}


@demo.needs_demo
class Forms(unittest.TestCase):
    def test_forms(self) -> None:
        judge = demo.Judge()
        self.addCleanup(judge.close)
        text = demo.roster().decode().rpartition("\n\n")[0] + "\n"
        taken, refused = 0, 0
        for field, values in VALUES.items():
            for value in values:
                line = re.search(rf"^{field}: .*$", text, re.MULTILINE)
                assert line is not None
                changed = f"{text[:line.start()]}{field}: {value}{text[line.end():]}"
                if not changed.isascii():
                    changed += "\n\u2014 nobody AAAAAAA=\n"
                ours = self._ours(changed.encode())
                theirs, said = judge.refused({"what": "roster"}, changed.encode())
                with self.subTest(field=field, value=value):
                    self.assertEqual(ours, theirs, said)
                taken, refused = taken + (ours != "malformed"), refused + (ours == "malformed")
        print(f"  values of fields: {taken} taken, {refused} refused by both", flush=True)

    def _ours(self, data: bytes) -> str:
        """The reason; a roster is trusted by nobody here, if it has its form."""
        try:
            rosters.judge(rosters.Trust(), data, 0)
        except Refused as why:
            return why.reason
        return "nothing"


if __name__ == "__main__":
    unittest.main()
