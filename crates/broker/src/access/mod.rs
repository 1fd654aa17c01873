//! Who clients are and what they may do, as far as that takes a file, a store or time: the control
//! plane's side of it. Shards ask and go on.

pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod remote;
