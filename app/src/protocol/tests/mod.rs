#![expect(clippy::unwrap_used, reason = "a sample that cannot be read is a failed test")]

mod banner;
mod dns;
mod http;
mod mutations;
mod recogniser;
mod samples;
mod stream;
mod tls;

use super::Progress;

/// Every beginning of a stream says nothing else than the whole does, only less.
fn grows_consistently<T: Clone + std::fmt::Debug + PartialEq>(
    stream: &[u8],
    look: impl Fn(&[u8]) -> Progress<T>,
) {
    let whole = look(stream);
    for length in 0..stream.len() {
        match look(&stream[..length]) {
            Progress::NeedsMore => {}
            earlier => assert_eq!(earlier, whole, "after {length} of {} bytes", stream.len()),
        }
    }
}
