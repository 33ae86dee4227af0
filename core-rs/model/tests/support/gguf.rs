//! Writes GGUF files, sound and broken.

/// A value of the metadata.
#[derive(Clone, Debug)]
pub enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Ints(Vec<i32>),
    /// Value type and bytes, whatever they are.
    Raw(u32, Vec<u8>),
}

/// A tensor's description; its bytes are zeros unless given.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    /// Innermost first, as in the file.
    pub dims: Vec<u64>,
    /// ggml's number of the storage type.
    pub code: u32,
    pub bytes: usize,
    /// Instead of the next free one.
    pub offset: Option<u64>,
}

/// A file in the making.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub entries: Vec<(String, Value)>,
    pub tensors: Vec<Tensor>,
}

/// ggml's numbers of the types that the fixtures use.
pub const F32: u32 = 0;
pub const Q8_0: u32 = 8;
pub const IQ4_NL: u32 = 20;

impl File {
    /// Adds or replaces an entry.
    pub fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.unset(key);
        self.entries.push((key.to_owned(), value));
        self
    }

    /// Removes an entry.
    pub fn unset(&mut self, key: &str) -> &mut Self {
        self.entries.retain(|(known, _)| known != key);
        self
    }

    /// Adds a tensor of `[rows, columns]` or `[n]`.
    pub fn add(&mut self, name: &str, shape: &[usize], code: u32) -> &mut Self {
        let numbers: usize = shape.iter().product();
        let bytes = match code {
            Q8_0 => numbers / 32 * 34,
            IQ4_NL => numbers / 32 * 18,
            _ => numbers * 4,
        };
        let dims = shape.iter().rev().map(|&dim| dim as u64).collect();
        self.tensors.push(Tensor { name: name.to_owned(), dims, code, bytes, offset: None });
        self
    }

    /// Removes a tensor.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.tensors.retain(|tensor| tensor.name != name);
        self
    }

    /// A tensor to spoil.
    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    /// The file, version 3, aligned to 32 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            text(&mut file, key);
            value.write(&mut file);
        }
        let mut free = 0;
        let mut data = Vec::new();
        for tensor in &self.tensors {
            text(&mut file, &tensor.name);
            file.extend((tensor.dims.len() as u32).to_le_bytes());
            file.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            file.extend(tensor.code.to_le_bytes());
            file.extend(tensor.offset.unwrap_or(free as u64).to_le_bytes());
            data.resize(free + tensor.bytes, 0);
            free = data.len().next_multiple_of(32);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(data);
        file
    }
}

impl Value {
    fn write(&self, file: &mut Vec<u8>) {
        match self {
            Self::U32(number) => tagged(file, 4, &number.to_le_bytes()),
            Self::F32(number) => tagged(file, 6, &number.to_le_bytes()),
            Self::Bool(value) => tagged(file, 7, &[u8::from(*value)]),
            Self::Text(value) => {
                tagged(file, 8, &[]);
                text(file, value);
            }
            Self::Texts(values) => {
                array(file, 8, values.len());
                for value in values {
                    text(file, value);
                }
            }
            Self::Floats(values) => {
                array(file, 6, values.len());
                file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Ints(values) => {
                array(file, 5, values.len());
                file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Self::Raw(kind, bytes) => tagged(file, *kind, bytes),
        }
    }
}

fn tagged(file: &mut Vec<u8>, kind: u32, bytes: &[u8]) {
    file.extend(kind.to_le_bytes());
    file.extend(bytes);
}

fn array(file: &mut Vec<u8>, kind: u32, length: usize) {
    tagged(file, 9, &kind.to_le_bytes());
    file.extend((length as u64).to_le_bytes());
}

fn text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.bytes());
}
