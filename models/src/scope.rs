//! How far a model goes.

/// How many of what a scope of a model has: fields with names, so that the program can set them.
pub(crate) trait Scope: Copy {
    /// Each with its name.
    fn settings(&mut self) -> Vec<Setting<'_>>;

    /// Sets a field. False where there is none of this name.
    fn set(&mut self, name: &str, value: u8) -> bool {
        let found = self.settings().into_iter().find(|setting| setting.name == name);
        found.is_some_and(|setting| {
            *setting.value = value;
            true
        })
    }

    /// All of them in words.
    fn words(mut self) -> String {
        let words: Vec<_> =
            self.settings().iter().map(|setting| format!("{} {}", setting.name, setting.value)).collect();
        words.join(", ")
    }
}

/// A field of a scope.
#[derive(Debug)]
pub(crate) struct Setting<'s> {
    /// As on the command line.
    pub(crate) name: &'static str,
    /// To be set.
    pub(crate) value: &'s mut u8,
}

/// The fields of a scope, under their own names.
macro_rules! settings {
    ($scope:ty: $($field:ident),+ $(,)?) => {
        impl $crate::Scope for $scope {
            fn settings(&mut self) -> Vec<$crate::scope::Setting<'_>> {
                vec![$($crate::scope::Setting { name: stringify!($field), value: &mut self.$field }),+]
            }
        }
    };
}

pub(crate) use settings;
