/// Expects no run of four characters of a secret in a text.
///
/// ```
/// testkit::assert_no_fragment("the key is […]", &["sk-abcdef"]);
/// ```
#[track_caller]
pub fn assert_no_fragment(text: &str, secrets: &[&str]) {
    for secret in secrets {
        for start in 0..secret.len() - 3 {
            let run = &secret[start..start + 4];
            assert!(!text.contains(run), "{run} of {secret} in {text}");
        }
    }
}
