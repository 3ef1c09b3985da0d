//! The process's choice of a backend, which is made once: a process of its own.

#![allow(clippy::unwrap_used, reason = "tests")]

use blindmatch_oprf::{Backend, NoBackend, backend, choose_backend, with_backend};

#[test]
fn a_process_chooses_once() {
    assert_eq!(backend(), Backend::detect());
    assert_eq!(choose_backend(Backend::SERIAL), Ok(()));
    assert_eq!(backend(), Backend::SERIAL);
    // On every thread, and under what a test asks for.
    let elsewhere = std::thread::spawn(backend).join().unwrap();
    assert_eq!(elsewhere, Backend::SERIAL);
    with_backend(Backend::detect(), || {
        assert_eq!(backend(), Backend::detect());
    });
    assert_eq!(choose_backend(Backend::SERIAL), Ok(()));
    if Backend::detect() != Backend::SERIAL {
        let refused = choose_backend(Backend::detect());
        assert_eq!(refused, Err(Backend::SERIAL));
    }
    assert_eq!(backend(), Backend::SERIAL);
    assert_eq!(Backend::named("neon"), Err(NoBackend::Unknown));
}
