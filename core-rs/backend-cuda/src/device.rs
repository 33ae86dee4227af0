//! What a device must do: memory, copies, kernels, graphs. The rest of the backend knows no other
//! way to it, so that all of it runs on an emulated one.

use tgi_cuda_kernels::signatures::{Kernel, Launch, Params};

use crate::CudaError;
use crate::blas::Product;

/// Memory of a device. It lives as long as the device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte, as kernels take it.
    pub address: u64,
    /// Length.
    pub bytes: usize,
}

impl Region {
    /// `bytes` of it from byte `offset` on.
    ///
    /// # Panics
    /// When they are not all inside: a bug in the caller.
    #[must_use]
    pub fn part(self, offset: usize, bytes: usize) -> Self {
        assert!(
            offset.checked_add(bytes).is_some_and(|end| end <= self.bytes),
            "bytes {offset} + {bytes} of a region of {}",
            self.bytes
        );
        Self { address: self.address + offset as u64, bytes }
    }
}

/// An argument of a kernel that may wait for its launch.
pub trait Argument: Params + Send + 'static {}

impl<P: Params + Send + 'static> Argument for P {}

/// A captured sequence of launches and copies, by its place among those of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph(pub usize);

/// One GPU with one stream: everything is done in the order in which it was asked for.
pub trait Device: Send {
    /// Host memory that the device reads and writes by itself.
    type Pinned: AsRef<[u8]> + AsMut<[u8]> + Send;
    /// A place in the stream that can be waited for.
    type Event: Send;

    /// Streaming multiprocessors.
    fn multiprocessors(&self) -> usize;

    /// Memory that nobody has taken, bytes.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn free_bytes(&self) -> Result<u64, CudaError>;

    /// Takes memory for `what`, all zeros, on a boundary of 256 bytes.
    ///
    /// # Errors
    /// [`CudaError::Memory`] when there is no room.
    fn allocate(&mut self, what: &'static str, bytes: usize) -> Result<Region, CudaError>;

    /// Takes host memory that the device reaches, all zeros.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn pinned(&self, bytes: usize) -> Result<Self::Pinned, CudaError>;

    /// Makes the device known to the calling thread, which the others need.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn enter(&self) -> Result<(), CudaError>;

    /// Copies any host memory to the start of a region, and waits until it is there.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn upload(&mut self, from: &[u8], to: Region) -> Result<(), CudaError>;

    /// Copies the start of pinned memory to a whole region, in the order of the stream.
    ///
    /// # Safety
    /// Nobody writes those bytes of `from`, or lets go of them, before the stream has passed an event
    /// recorded behind the copy.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    unsafe fn send(&mut self, from: &Self::Pinned, to: Region) -> Result<(), CudaError>;

    /// Copies a whole region to the start of pinned memory, in the order of the stream.
    ///
    /// # Safety
    /// As of [`Device::send`], and nobody reads the bytes before either.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    unsafe fn receive(&mut self, from: Region, into: &mut Self::Pinned) -> Result<(), CudaError>;

    /// An event that is nowhere in the stream.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn event(&mut self) -> Result<Self::Event, CudaError>;

    /// Puts the event behind everything that was asked for.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn record(&mut self, event: &mut Self::Event) -> Result<(), CudaError>;

    /// Waits until the stream has passed the event.
    ///
    /// # Errors
    /// [`CudaError::Driver`], also of any kernel before.
    fn pass(&mut self, event: &Self::Event) -> Result<(), CudaError>;

    /// Waits until everything that was asked for is done.
    ///
    /// # Errors
    /// [`CudaError::Driver`], also of any kernel before.
    fn wait(&mut self) -> Result<(), CudaError>;

    /// Runs a kernel, in the order of the stream.
    ///
    /// # Safety
    /// `params` is the argument of that kernel, and every address in it is that of a region large enough for what the kernel reads and writes with this geometry.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    unsafe fn launch<P: Argument>(
        &mut self,
        kernel: Kernel,
        launch: Launch,
        params: &P,
    ) -> Result<(), CudaError>;

    /// A matrix product by the vendor's library, in the order of the stream; false when there is no
    /// such library, or it has no way for this product.
    ///
    /// # Safety
    /// The product's addresses are those of regions as large as its shapes say.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    unsafe fn multiply(&mut self, product: &Product) -> Result<bool, CudaError>;

    /// Records what `work` asks for instead of doing it. `work` takes no memory and copies none to
    /// or from the host.
    ///
    /// # Errors
    /// Those of `work`; [`CudaError::Driver`].
    fn capture(
        &mut self,
        work: &mut dyn FnMut(&mut Self) -> Result<(), CudaError>,
    ) -> Result<Graph, CudaError>;

    /// Does what was recorded, in the order of the stream.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    fn replay(&mut self, graph: Graph) -> Result<(), CudaError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_inside_its_region() {
        let region = Region { address: 1024, bytes: 100 };
        assert_eq!(region.part(30, 70), Region { address: 1054, bytes: 70 });
        assert_eq!(region.part(100, 0).bytes, 0);
    }

    #[test]
    #[should_panic(expected = "bytes 30 + 71 of a region of 100")]
    fn a_part_beyond_its_region_is_a_bug() {
        let _ = Region { address: 0, bytes: 100 }.part(30, 71);
    }
}
