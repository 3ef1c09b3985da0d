use super::*;

#[test]
fn derive_key_of_the_blake3_test_vectors() {
    // The first vector of BLAKE3's test_vectors.json: empty input.
    let expected = "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d";
    let bytes: [u8; 32] = Oracle::new(Label::TEST).bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

#[test]
fn parts_do_not_run_together() {
    let hash = |parts: &[&[u8]]| -> [u8; 32] {
        parts
            .iter()
            .fold(Oracle::new(Label::TEST), |oracle, part| oracle.absorb(part))
            .bytes()
    };
    assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    assert_ne!(hash(&[b"abc"]), hash(&[b"abc", b""]));
}
