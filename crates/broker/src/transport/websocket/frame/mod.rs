//! Framing (RFC 6455 5) of an open connection, client to server masked, server to client not.
//! Payload is unmasked in place and handed on as it arrives, even from half a frame; only a control
//! frame's payload (at most 125 bytes) is ever kept, so memory does not depend on what peers send.

use std::ops::ControlFlow;

use engine::Cause;

/// Why a connection has to close, found while reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Status code: what the peer sent (1005 for a close without one), or what we answer with.
    pub code: u16,
    pub cause: Cause,
}

/// What one call of [`Deframer::feed`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of MQTT now at the front of the buffer. The rest of the buffer has been used up.
    pub payload: usize,
    /// Frames begun.
    pub frames: u32,
    /// The connection is over: handle the payload, send the replies, then close. Whatever is read
    /// afterwards is ignored.
    pub close: Option<Close>,
}

/// So many frames in one read, with less than two bytes each, are no packets: a peer burns our time.
const TINY_FRAMES_MIN: u32 = 1_000;

impl Progress {
    /// Whether what was read has hardly anything but headers in it.
    #[must_use]
    pub fn is_chaff(&self) -> bool {
        let frames = usize::try_from(self.frames).unwrap_or(usize::MAX);
        self.frames >= TINY_FRAMES_MIN && self.payload < frames.saturating_mul(2)
    }
}

/// The reading side of one connection, between any two bytes. Small, because each idle connection
/// has one.
#[derive(Debug, Default)]
pub struct Deframer {
    /// Payload bytes of the current frame still to come; while the extended length arrives, the
    /// part of it that is here.
    left: u64,
    /// Payload of a control frame that has arrived in part.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes per idle connection instead of 24"
    )]
    control: Option<Box<Vec<u8>>>,
    /// The mask, turned so that its first byte is for the next payload byte.
    mask: [u8; 4],
    stage: Stage,
    opcode: u8,
    /// A binary message has begun whose last frame has not.
    fragmented: bool,
}

/// Which byte comes next; the number tells how many of that kind are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    First,
    Length,
    Extended {
        missing: u8,
        wide: bool,
    },
    Mask(u8),
    Payload,
    Closed,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTROL_BYTES_MAX: u64 = 125;

impl Deframer {
    /// Takes frames off `buf`, all of it: MQTT bytes move to its front, unmasked and in order, and
    /// replies (pong, close) are appended to `out`, to be sent as they are. A breach of the
    /// protocol ends the connection, but what stood before it is still delivered.
    pub fn feed(&mut self, buf: &mut [u8], out: &mut Vec<u8>) -> Progress {
        let mut progress = Progress::default();
        let mut at = 0;
        while at < buf.len() {
            let step = match self.stage {
                Stage::Closed => break,
                Stage::Payload => self.payload(buf, &mut at, &mut progress, out),
                stage => {
                    if stage == Stage::First {
                        let whole = self.whole_header(&buf[at..]);
                        if whole > 0 {
                            at += whole;
                            progress.frames += 1;
                            continue;
                        }
                    }
                    let byte = buf[at];
                    at += 1;
                    progress.frames += u32::from(self.stage == Stage::First);
                    self.header(byte, out)
                }
            };
            if let ControlFlow::Break(close) = step {
                self.stage = Stage::Closed;
                self.control = None;
                progress.close = Some(close);
            }
        }
        progress
    }

    /// A header that stands there whole, of data, with nothing wrong about it: most are like that, and byte by
    /// byte they cost more than a short payload. Gives its length; 0 if it is to be read byte by byte.
    #[inline]
    fn whole_header(&mut self, buf: &[u8]) -> usize {
        let [first, second, rest @ ..] = buf else {
            return 0;
        };
        let due = if self.fragmented {
            CONTINUATION
        } else {
            BINARY
        };
        let (is_due, is_masked) = (first & !FIN == due, second & MASKED != 0);
        let (left, mask, len) = match (second & !MASKED, rest) {
            (short @ 1..=125, [a, b, c, d, ..]) => (u64::from(short), [*a, *b, *c, *d], 6),
            (126, [high, low, a, b, c, d, ..]) => {
                let left = u64::from(u16::from_be_bytes([*high, *low]));
                (left, [*a, *b, *c, *d], 8)
            }
            _ => return 0,
        };
        if !is_due || !is_masked || len == 8 && left <= CONTROL_BYTES_MAX {
            return 0;
        }
        (self.left, self.mask) = (left, mask);
        (self.opcode, self.fragmented) = (due, first & FIN == 0);
        self.stage = Stage::Payload;
        len
    }

    /// One byte of a frame's header.
    fn header(&mut self, byte: u8, out: &mut Vec<u8>) -> ControlFlow<Close> {
        match self.stage {
            Stage::First => match self.first(byte) {
                Ok(()) => self.stage = Stage::Length,
                Err((code, cause)) => return fail(code, cause, out),
            },
            Stage::Length => {
                if byte & MASKED == 0 {
                    return fail(1002, "frame is not masked", out);
                }
                self.left = u64::from(byte & 0x7f);
                if self.opcode >= CLOSE && self.left > CONTROL_BYTES_MAX {
                    return fail(1002, "control frame over 125 bytes", out);
                }
                self.stage = match self.left {
                    126 => Stage::Extended {
                        missing: 2,
                        wide: false,
                    },
                    127 => Stage::Extended {
                        missing: 8,
                        wide: true,
                    },
                    _ => Stage::Mask(4),
                };
                if self.left > CONTROL_BYTES_MAX {
                    self.left = 0;
                }
            }
            Stage::Extended { missing, wide } => {
                if missing == 8 && byte & 0x80 != 0 {
                    return fail(1009, "frame of 2^63 bytes or more", out);
                }
                self.left = self.left << 8 | u64::from(byte);
                if missing > 1 {
                    self.stage = Stage::Extended {
                        missing: missing - 1,
                        wide,
                    };
                } else if self.left <= if wide { 0xffff } else { CONTROL_BYTES_MAX } {
                    return fail(1002, "frame length not in its shortest form", out);
                } else {
                    self.stage = Stage::Mask(4);
                }
            }
            Stage::Mask(missing) => {
                self.mask[usize::from(4 - missing)] = byte;
                self.stage = if missing > 1 {
                    Stage::Mask(missing - 1)
                } else {
                    Stage::Payload
                };
                if self.stage == Stage::Payload && self.left == 0 {
                    return self.end(out);
                }
            }
            Stage::Payload | Stage::Closed => {}
        }
        ControlFlow::Continue(())
    }

    /// Checks a frame's first byte. MQTT travels in binary frames only [MQTT-6.0.0-1].
    fn first(&mut self, byte: u8) -> Result<(), (u16, &'static str)> {
        let (fin, opcode) = (byte & FIN != 0, byte & 0x0f);
        if byte & 0x70 != 0 {
            return Err((1002, "reserved bit set"));
        }
        match opcode {
            CONTINUATION if !self.fragmented => return Err((1002, "continuation of nothing")),
            BINARY if self.fragmented => return Err((1002, "new message within another")),
            CONTINUATION | BINARY => self.fragmented = !fin,
            TEXT => return Err((1003, "text frame")),
            CLOSE | PING | PONG if !fin => return Err((1002, "fragmented control frame")),
            CLOSE | PING | PONG => {}
            _ => return Err((1002, "unknown opcode")),
        }
        self.opcode = opcode;
        Ok(())
    }

    /// As much of the current frame's payload as `buf` holds from `at` on.
    fn payload(
        &mut self,
        buf: &mut [u8],
        at: &mut usize,
        progress: &mut Progress,
        out: &mut Vec<u8>,
    ) -> ControlFlow<Close> {
        let here = buf.len() - *at;
        let n = usize::try_from(self.left).map_or(here, |left| left.min(here));
        let range = *at..*at + n;
        *at += n;
        self.left -= n as u64;
        if self.opcode < CLOSE {
            // Two passes, a move and a XOR, because both run at vector speed.
            buf.copy_within(range, progress.payload);
            unmask(&mut buf[progress.payload..progress.payload + n], self.mask);
            progress.payload += n;
        } else {
            unmask(&mut buf[range.clone()], self.mask);
            self.control
                .get_or_insert_default()
                .extend_from_slice(&buf[range]);
        }
        self.mask.rotate_left(n % 4);
        if self.left == 0 {
            self.end(out)
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The current frame is complete: answers it if it was a control frame.
    fn end(&mut self, out: &mut Vec<u8>) -> ControlFlow<Close> {
        self.stage = Stage::First;
        // Freed here, not kept: most connections never see a second control frame.
        let body = self.control.take().unwrap_or_default();
        match self.opcode {
            PING => put_control(PONG, &body, out),
            CLOSE => return closed(&body, out),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The peer's close frame: echoes its code if it is one a peer may send (RFC 6455 7.4).
fn closed(body: &[u8], out: &mut Vec<u8>) -> ControlFlow<Close> {
    let code = match body {
        [] => {
            put_control(CLOSE, &[], out);
            return ControlFlow::Break(Close {
                code: 1005,
                cause: Cause::WebSocketClosed,
            });
        }
        [_] => return fail(1002, "close frame of one byte", out),
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return fail(1002, "close code out of range", out);
    }
    if str::from_utf8(&body[2..]).is_err() {
        return fail(1007, "close reason is not UTF-8", out);
    }
    put_close(code, out);
    ControlFlow::Break(Close {
        code,
        cause: Cause::WebSocketClosed,
    })
}

fn fail(code: u16, place: &'static str, out: &mut Vec<u8>) -> ControlFlow<Close> {
    put_close(code, out);
    let cause = Cause::WebSocketFrame(place);
    ControlFlow::Break(Close { code, cause })
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Appends the header of one whole binary frame [MQTT-6.0.0-1]; `len` bytes of MQTT follow it, any
/// number of packets together [MQTT-6.0.0-2]. At most 10 bytes; a server does not mask.
pub fn put_header(len: usize, out: &mut Vec<u8>) {
    out.push(FIN | BINARY);
    if let Ok(short @ 0..=125) = u8::try_from(len) {
        out.push(short);
    } else if let Ok(medium) = u16::try_from(len) {
        out.push(126);
        out.extend_from_slice(&medium.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

/// Appends a close frame with this status code and no reason; it ends what we send.
pub fn put_close(code: u16, out: &mut Vec<u8>) {
    put_control(CLOSE, &code.to_be_bytes(), out);
}

fn put_control(opcode: u8, body: &[u8], out: &mut Vec<u8>) {
    let len = u8::try_from(body.len()).expect("a control frame has at most 125 bytes");
    out.extend_from_slice(&[FIN | opcode, len]);
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests;
