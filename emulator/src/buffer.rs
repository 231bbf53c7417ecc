//! Memory for bodies. It is mapped, and so returns to the system when dropped: the heap keeps the
//! memory of many bodies that waited at a time.

use std::ops::Deref;

use memmap2::MmapMut;

/// Bytes outside the heap.
pub(crate) struct Buffer {
    /// Pages that are not written to take no memory.
    map: MmapMut,
    length: usize,
}

impl Buffer {
    /// Creates an empty buffer with room for this number of bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // No mapping is empty. Without memory, it panics as `Vec` does.
        let map = MmapMut::map_anon(capacity.max(1)).expect("no memory");
        Self { map, length: 0 }
    }

    /// Adds bytes. There must be room for them.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.map[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(bytes.len());
        buffer.extend(bytes);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
