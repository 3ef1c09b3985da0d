//! Account names, as they are handed to `indicator`.

/// `platform:name`, the text form of an account; without a platform the name alone.
pub(crate) fn account(platform: Option<&str>, name: &str) -> String {
    match platform {
        Some(platform) => format!("{platform}:{name}"),
        None => name.to_owned(),
    }
}
