//! The caller's memory: where NVML's functions put their answers. The only place of the ABI that writes through a client's pointer.
//!
//! The types are pointers to the ABI and have no constructor in Rust: each value of them came from a client's call.

use std::ffi::{CStr, c_char, c_uint};

use super::call::{Answer, INSUFFICIENT_SIZE, INVALID_ARGUMENT, VERSION_MISMATCH};

/// Where one value goes. May be null.
#[repr(transparent)]
pub(super) struct Out<T>(*mut T);

/// Text that a client passes. May be null.
#[repr(transparent)]
pub(super) struct Text(*const c_char);

impl<T> Out<T> {
    /// Writes the value; a null pointer is an invalid argument.
    pub(super) fn put(&self, value: T) -> Answer {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: nvml.h has the caller pass null or a pointer to a T of its own; nothing is read, so it may be uninitialised.
        unsafe { self.0.write(value) };
        Ok(())
    }

    /// Writes the value where NVML knows it; where it does not, answers `NOT_SUPPORTED`.
    pub(super) fn put_known(&self, value: Option<T>) -> Answer {
        self.put(value.ok_or(super::call::NOT_SUPPORTED)?)
    }
}

impl<T: Copy> Out<T> {
    /// Reads what the caller put there (a version, a count).
    pub(super) fn get(&self) -> Result<T, u32> {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: nvml.h has the caller initialise these in-out arguments; T is a plain C struct or integer, any bits of which are valid.
        Ok(unsafe { self.0.read() })
    }

    /// Writes one element of an array; the caller has said that it holds more than `position`.
    pub(super) fn put_at(&self, position: usize, value: T) -> Answer {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: `position` is below the length that the caller gave for this array, checked where this is called.
        unsafe { self.0.add(position).write(value) };
        Ok(())
    }

    /// Reads one element of an array; the caller has said that it holds more than `position`.
    pub(super) fn get_at(&self, position: usize) -> Result<T, u32> {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: as in `put_at`; NVML's arrays of structs are initialised by the caller.
        Ok(unsafe { self.0.add(position).read() })
    }
}

impl<T> Out<T> {
    /// The first word of a versioned struct, which is all that an unknown version allows to be read.
    pub(super) fn version(&self) -> Result<c_uint, u32> {
        Out::<c_uint>(self.0.cast()).get()
    }

    /// The version word, if it is this version of the struct; else nothing may be written, and the answer is a version mismatch.
    pub(super) fn expect_version(&self, version: c_uint) -> Result<c_uint, u32> {
        let word = self.version()?;
        if word == version_word::<T>(version) {
            Ok(word)
        } else {
            Err(VERSION_MISMATCH)
        }
    }

    /// The same place as another version of the struct, once its version word has said so.
    pub(super) fn as_other<U>(&self) -> Out<U> {
        Out(self.0.cast())
    }
}

/// `NVML_STRUCT_VERSION` (nvml.h): size of the struct, version in the top byte.
#[allow(clippy::cast_possible_truncation, reason = "the size of a small struct")]
pub(super) const fn version_word<T>(version: c_uint) -> c_uint {
    size_of::<T>() as c_uint | version << 24
}

impl Out<c_char> {
    /// Writes text and its NUL into a buffer of `length` bytes.
    pub(super) fn put_text(&self, length: c_uint, text: &str) -> Answer {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        if text.len() >= length as usize {
            return Err(INSUFFICIENT_SIZE);
        }
        for (position, byte) in text.bytes().chain([0]).enumerate() {
            self.put_at(position, c_char::from_ne_bytes([byte]))?;
        }
        Ok(())
    }
}

impl Text {
    /// The text; `INVALID_ARGUMENT` when it is null or not UTF-8.
    pub(super) fn read(&self) -> Result<String, u32> {
        if self.0.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: nvml.h has the caller pass a NUL-terminated string that lives through the call; it is copied before returning.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().map(str::to_owned).map_err(|_| INVALID_ARGUMENT)
    }
}

/// A name of NVML's fixed size, NUL-padded; what does not fit is cut.
pub(super) fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().take(N - 1).zip(text.bytes()) {
        *place = c_char::from_ne_bytes([byte]);
    }
    bytes
}
