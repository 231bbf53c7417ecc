//! The pictures of a question, as data URLs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ask_core::completion::{Content, ImageUrl, Message, Part};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;

/// Maximum number of pictures. A function takes no more either.
pub(super) const MAX_PICTURES: usize = 4;

/// Maximum size of all pictures together as base64, in bytes. The platform carries no more.
const MAX_SIZE: usize = 6 << 20;

/// The media types that models read, each with the offset and the bytes that mark it.
const MEDIA_TYPES: &[(&str, usize, &[u8])] = &[
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF87a"),
    ("image/gif", 0, b"GIF89a"),
    ("image/webp", 8, b"WEBP"),
];

/// Reads the files.
///
/// # Errors
/// [`Error::Failed`] if a file cannot be read, is no picture, or is too large.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<ImageUrl>, Error> {
    let mut pictures = Vec::with_capacity(paths.len());
    let mut rest = MAX_SIZE;
    for path in paths {
        let url = data_url(path)?;
        rest = rest.checked_sub(url.len()).ok_or_else(|| too_large(path))?;
        pictures.push(ImageUrl { url, detail: None });
    }
    Ok(pictures)
}

/// Returns a message with pictures behind its text.
pub(super) fn with_pictures(mut message: Message, pictures: &[ImageUrl]) -> Message {
    if !pictures.is_empty() {
        let pictures = pictures.iter().map(|url| Part::ImageUrl { image_url: url.clone() });
        let text = Part::Text { text: message.text().into_owned() };
        message.content = Content::Parts([text].into_iter().chain(pictures).collect());
    }
    message
}

fn data_url(path: &Path) -> Result<String, Error> {
    let name = path.display();
    let mut bytes = Vec::new();
    // A file that is larger is rejected by its size, without being read to its end.
    File::open(path).and_then(|file| file.take(MAX_SIZE as u64).read_to_end(&mut bytes)).map_err(
        |error| {
            Error::failed(
                format!("{name} cannot be read: {error}"),
                format!("无法读取 {name}：{error}"),
            )
        },
    )?;
    let is_marked = |(_, offset, mark): &&(&str, usize, &[u8])| {
        bytes.get(*offset..).is_some_and(|bytes| bytes.starts_with(mark))
    };
    let (media_type, ..) = MEDIA_TYPES.iter().find(is_marked).ok_or_else(|| {
        Error::failed(
            format!("{name} is not a picture that models read: use PNG, JPEG, GIF or WebP"),
            format!("{name} 不是模型能读取的图片：请用 PNG、JPEG、GIF 或 WebP"),
        )
    })?;
    Ok(format!("data:{media_type};base64,{}", STANDARD.encode(&bytes)))
}

fn too_large(path: &Path) -> Error {
    let name = path.display();
    Error::failed(
        format!("{name} is too large: all pictures together may have 4.5 MB (6 MB as base64)"),
        format!("{name} 太大：所有图片合计最多 4.5 MB（base64 编码后 6 MB）"),
    )
}
