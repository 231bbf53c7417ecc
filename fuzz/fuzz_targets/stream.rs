//! A stream of any bytes, cut anywhere, is the same answer or the same failure as in one piece.

#![no_main]

use std::sync::LazyLock;

use ask_core::Settings;
use ask_core::completion::Answer;
use ask_core::lang::Lang;
use ask_core::refusal::Refusal;
use ask_core::stream::Stream;
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, gives_away, holds_run, settings};

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| settings(&[("OPENAI_API_KEY", KEY)]));

// The first byte says how many follow that are the lengths of the pieces, in turn.
fuzz_target!(|bytes: &[u8]| {
    let Some((count, rest)) = bytes.split_first() else { return };
    let Some((lengths, stream)) = rest.split_at_checked(usize::from(count % 8)) else { return };
    let whole = read([stream]);
    let mut rest = stream;
    let mut lengths = lengths.iter().cycle();
    let cut = read(std::iter::from_fn(|| {
        let length = lengths.next().map_or(1, |length| usize::from(*length)).min(rest.len());
        let (piece, after) = rest.split_at(length);
        // A length of nothing is a piece, too, but not for ever.
        let (piece, after) =
            if piece.is_empty() { rest.split_at(rest.len().min(1)) } else { (piece, after) };
        rest = after;
        (!piece.is_empty()).then_some(piece)
    }));
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        (Err(whole), Err(cut)) => assert_eq!(whole, cut),
        _ => panic!("{whole:?} became {cut:?}"),
    }
    match whole {
        Ok(answer) => {
            assert!(!answer.text.trim().is_empty());
            for said in [&answer.about.model, &answer.about.finish_reason].into_iter().flatten() {
                assert!(!holds_run(said, KEY, 8), "{said}");
            }
        }
        Err(refusal) => {
            for lang in [Lang::En, Lang::Zh] {
                assert!(!gives_away(&refusal.failure.sentence(lang), KEY));
            }
        }
    }
});

/// As the functions read a stream.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Answer, Refusal> {
    let mut stream = Stream::new(SETTINGS.mask());
    let mut text = String::new();
    for piece in pieces {
        text.push_str(&stream.push(piece)?);
        if stream.is_done() {
            break;
        }
    }
    let last = stream.end()?;
    Ok(Answer { text: text + &last.text, about: last.about })
}
