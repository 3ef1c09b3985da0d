//! What a value looks like where it was written by mistake.

use base64ct::{Base64, Base64Url, Encoding};

/// Every form in which somebody could find `value` written: as it is and backwards, in hexadecimal,
/// as a list of its bytes, as a part of something in base64 wherever it stands there, percent-encoded,
/// and as the number that four or sixteen bytes are.
#[must_use]
pub fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = |between: &str| {
        let bytes: Vec<_> = value.iter().map(u8::to_string).collect();
        bytes.join(between).into_bytes()
    };
    let percent = |is_plain: fn(&u8) -> bool| {
        let mut text = String::new();
        for byte in value {
            if is_plain(byte) {
                text.push(char::from(*byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
        text
    };
    let unreserved = percent(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte));
    let mut forms = vec![
        value.to_vec(),
        value.iter().rev().copied().collect(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        list(", "),
        list(","),
        list(" "),
        unreserved.to_lowercase().into_bytes(),
        unreserved.into_bytes(),
        percent(u8::is_ascii_alphanumeric).into_bytes(),
    ];
    // What base64 makes of the value depends on how many bytes stand before it: the characters that
    // hold bits of its neighbours are left out.
    for (before, first) in [(0, 0), (1, 2), (2, 3)] {
        let padded = [vec![0; before], value.to_vec()].concat();
        for text in [
            Base64::encode_string(&padded),
            Base64Url::encode_string(&padded),
        ] {
            let text = text.trim_end_matches('=').as_bytes();
            let last = text.len() - usize::from(!padded.len().is_multiple_of(3));
            forms.extend(text.get(first..last).map(<[u8]>::to_vec));
        }
    }
    if let Ok(bytes) = <[u8; 4]>::try_from(value) {
        forms.push(u32::from_be_bytes(bytes).to_string().into_bytes());
    }
    if let Ok(bytes) = <[u8; 16]>::try_from(value) {
        forms.push(u128::from_be_bytes(bytes).to_string().into_bytes());
    }
    forms
}
