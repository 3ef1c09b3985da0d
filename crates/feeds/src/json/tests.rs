use super::*;

#[test]
fn pointers_escape_their_separators() {
    let mut pointer = String::new();
    push_key(&mut pointer, "a/b~c");
    push_key(&mut pointer, "");
    assert_eq!(pointer, "/a~1b~0c/");
}
