//! Fingerprints in words.

use blindmatch_membership::{Fingerprint, WordsError, words::WORDS};

#[test]
fn words_are_those_of_bip39() {
    // From BIP-39's own test vectors.
    let cases = [
        (
            [0; 16],
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
        ),
        (
            [0x7f; 16],
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
        ),
        (
            [0xff; 16],
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
        ),
    ];
    for (bytes, words) in cases {
        let fingerprint = Fingerprint::from_bytes(bytes);
        assert_eq!(fingerprint.to_string(), words);
        assert_eq!(words.parse(), Ok(fingerprint));
    }
}

#[test]
fn people_may_type_them_as_they_like() {
    let fingerprint = Fingerprint::of("a text\n");
    let words = fingerprint.to_string();
    assert_eq!(words.split(' ').count(), WORDS);
    let typed = format!("  {}\n", words.to_uppercase().replace(' ', "\n\t "));
    assert_eq!(typed.parse(), Ok(fingerprint));
}

#[test]
fn a_typo_is_named() {
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    let parse = |words: &str| words.parse::<Fingerprint>();
    assert_eq!(
        parse(&words.replace("wave", "wavy")),
        Err(WordsError::Unknown(5))
    );
    assert_eq!(
        parse(&words.replace("yellow", "yello")),
        Err(WordsError::Unknown(12))
    );
    assert_eq!(
        parse(&words.replace("wave ", "")),
        Err(WordsError::Count(11))
    );
    assert_eq!(
        parse(&format!("{words} {words}")),
        Err(WordsError::Count(24))
    );
    assert_eq!(parse(""), Err(WordsError::Count(0)));
    assert_eq!(
        parse(&words.replace("wave", "zoo")),
        Err(WordsError::Checksum)
    );
}

#[test]
fn the_checksum_finds_fifteen_of_sixteen_wrong_words() {
    let words = Fingerprint::of("another text\n").to_string();
    let fifth = words.split(' ').nth(4).unwrap();
    let list = bip39_words();
    let found = list.iter().filter(|word| **word != fifth).filter(|word| {
        let changed = words.replacen(fifth, word, 1);
        changed.parse::<Fingerprint>() == Err(WordsError::Checksum)
    });
    // 2047 · 15/16 = 1919, give or take four standard deviations.
    let found = found.count();
    assert!((1875..=1963).contains(&found), "{found}");
}

#[test]
fn the_first_word_that_differs_is_found() {
    let one = Fingerprint::from_bytes([0x7f; 16]);
    let mut bytes = [0x7f; 16];
    assert_eq!(one.differs_at(&one), None);
    bytes[15] ^= 0x80;
    assert_eq!(one.differs_at(&Fingerprint::from_bytes(bytes)), Some(11));
    bytes[0] ^= 0x80;
    assert_eq!(one.differs_at(&Fingerprint::from_bytes(bytes)), Some(1));
}

/// Every word, found by writing all 2^11 first words.
fn bip39_words() -> Vec<String> {
    (0..2048_u16)
        .map(|word| {
            let mut bytes = [0; 16];
            [bytes[0], bytes[1]] = (word << 5).to_be_bytes();
            let words = Fingerprint::from_bytes(bytes).to_string();
            words.split(' ').next().unwrap().to_owned()
        })
        .collect()
}
