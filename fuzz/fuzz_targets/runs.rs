//! What a home keeps of runs: whatever is read, nothing panics, and what reads is its own encoding.
//! Of a log that was cut anywhere or filled up with zeros no more is lost than its last frame.
#![no_main]

use blindmatch_psi::agreement::RunId;
use blindmatch_store::keys::Key;
use blindmatch_store::runs::{End, Head, OwnedMatch, read_log, write_log};
use blindmatch_testkit::scripted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = Key::default();
    let _ = read_log(bytes, &RunId([0; 32]), &key);
    let _ = OwnedMatch::decode(bytes);
    if let Ok(end) = End::decode(bytes) {
        assert_eq!(end.encode(), bytes);
    }
    let Ok(head) = Head::decode(bytes) else {
        return;
    };
    assert_eq!(head.encode(), bytes);

    let run = head.run().expect("it has the direction");
    let rng = &mut scripted(bytes.len() as u64);
    let before = write_log(&head, &key, &[&bytes[..1]], rng).len();
    let mut log = write_log(&head, &key, &[&bytes[..1], bytes], rng);
    assert_eq!(read_log(&log, &run, &key), Some(false));
    let cut = before + usize::from(bytes[0]) % (log.len() - before);
    assert_eq!(read_log(&log[..cut], &run, &key), Some(cut > before));
    log[cut..].fill(0);
    assert_eq!(read_log(&log, &run, &key), Some(true));
});
