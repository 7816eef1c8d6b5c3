//! Names that are 16 random bytes.

/// Declares a name of 16 random bytes, 32 hexadecimal digits in text.
macro_rules! random_id {
    ($(#[$about:meta])* $name:ident, $error:ident, $message:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
        pub struct $name([u8; 16]);

        impl $name {
            /// The name of the given random bytes.
            pub fn new(random: [u8; 16]) -> Self {
                Self(random)
            }
        }

        /// The text is not 32 hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
        #[error($message)]
        pub struct $error;

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| $error)?;
                Ok(Self(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}
pub(crate) use random_id;
