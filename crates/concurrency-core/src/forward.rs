//! Pointers to implementers implement the traits, without a second box around every future.

use std::pin::Pin;

/// What the methods of the traits return; `async_trait` writes the same type.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Forwards a trait method through a pointer by handing the inner box on. Written with `async_trait`, a forwarding
/// implementation would box every call twice.
macro_rules! forward {
    ($name:ident $(<$($lt:lifetime),+>)? ($($arg:ident: $ty:ty),*) -> $ret:ty) => {
        fn $name<'s $($(, $lt)+)?, 'a>(&'s self $(, $arg: $ty)*) -> $crate::Boxed<'a, $ret>
        where
            's: 'a,
            $($($lt: 'a,)+)?
            Self: 'a,
        {
            (**self).$name($($arg),*)
        }
    };
}

/// Implements `Debug` with the named fields only, so that a value never shows.
macro_rules! debug_without_value {
    ($name:ident $(<$t:ident>)? { $($field:ident),* }) => {
        impl $(<$t>)? std::fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))*.finish_non_exhaustive()
            }
        }
    };
}
