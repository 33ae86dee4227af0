//! A device without a GPU: host memory, and the kernels' own sources compiled for the host.

use tgi_backend_cuda::blas::{Blas, Product};
use tgi_backend_cuda::{Argument, CudaError, Device, Graph, Kernel, Launch, Region};
use tgi_cuda_kernels::emulate::{self, EmulationError, Order};

/// Alignment of what is taken, bytes, as the driver's.
const ALIGNMENT: usize = 256;

type Work = Box<dyn FnMut() -> Result<(), CudaError> + Send>;

/// Runs everything at once, on the calling thread.
pub struct Emulated {
    memory: Vec<Vec<u8>>,
    taken: usize,
    /// Bytes that it has, to run out of.
    pub bytes: usize,
    multiprocessors: usize,
    order: Order,
    graphs: Vec<Vec<Work>>,
    capturing: Option<Vec<Work>>,
    /// Replays of graphs.
    pub replays: usize,
    /// Copies to and from the host.
    pub copies: usize,
    /// Multiplies instead of own kernels.
    pub blas: Option<Blas>,
    /// Products that it did.
    pub products: usize,
}

impl Emulated {
    /// One that fills up with 2 or 132 multiprocessors' blocks, and runs blocks in that order.
    pub fn new(multiprocessors: usize, order: Order) -> Self {
        Self {
            memory: Vec::new(),
            taken: 0,
            bytes: 1 << 30,
            multiprocessors,
            order,
            graphs: Vec::new(),
            capturing: None,
            replays: 0,
            copies: 0,
            blas: None,
            products: 0,
        }
    }

    fn run(&mut self, mut work: Work) -> Result<(), CudaError> {
        let Some(captured) = &mut self.capturing else { return work() };
        captured.push(work);
        Ok(())
    }
}

fn bytes(region: Region) -> *mut u8 {
    region.address as *mut u8
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(reason: EmulationError) -> CudaError {
    CudaError::Driver { ordinal: 0, action: "emulate", reason: reason.to_string() }
}

impl Device for Emulated {
    type Pinned = Vec<u8>;

    fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    fn free_bytes(&self) -> Result<u64, CudaError> {
        Ok((self.bytes - self.taken) as u64)
    }

    fn allocate(&mut self, what: &'static str, bytes: usize) -> Result<Region, CudaError> {
        if self.taken + bytes > self.bytes {
            let free = self.free_bytes()?;
            return Err(CudaError::Memory { ordinal: 0, what, bytes, free });
        }
        self.taken += bytes;
        let memory = vec![0u8; bytes + ALIGNMENT];
        let address = memory.as_ptr().addr().next_multiple_of(ALIGNMENT);
        self.memory.push(memory);
        Ok(Region { address: address as u64, bytes })
    }

    fn pinned(&self, bytes: usize) -> Result<Vec<u8>, CudaError> {
        Ok(vec![0; bytes])
    }

    fn enter(&self) -> Result<(), CudaError> {
        Ok(())
    }

    fn upload(&mut self, from: &[u8], to: Region) -> Result<(), CudaError> {
        assert!(self.capturing.is_none() && from.len() <= to.bytes);
        // SAFETY: the region has as many bytes.
        unsafe { bytes(to).copy_from(from.as_ptr(), from.len()) };
        Ok(())
    }

    fn send(&mut self, from: &Vec<u8>, to: Region) -> Result<(), CudaError> {
        self.copies += 1;
        self.upload(&from[..to.bytes], to)
    }

    fn receive(&mut self, from: Region, into: &mut Vec<u8>) -> Result<(), CudaError> {
        assert!(self.capturing.is_none());
        self.copies += 1;
        // SAFETY: the region has as many bytes.
        unsafe { bytes(from).copy_to(into[..from.bytes].as_mut_ptr(), from.bytes) };
        Ok(())
    }

    fn wait(&mut self) -> Result<(), CudaError> {
        Ok(())
    }

    unsafe fn launch<P: Argument>(
        &mut self,
        kernel: Kernel,
        launch: Launch,
        params: &P,
    ) -> Result<(), CudaError> {
        let (params, order) = (*params, self.order);
        self.run(Box::new(move || {
            // SAFETY: the caller's promise; addresses are those of host memory.
            unsafe { emulate::launch(kernel, &launch, &params, order) }.map_err(failed)
        }))
    }

    unsafe fn multiply(&mut self, product: &Product) -> Result<bool, CudaError> {
        let Some(blas) = &mut self.blas else { return Ok(false) };
        assert!(self.capturing.is_none());
        // SAFETY: the caller's promise; the stand-in for the library has no streams.
        let done = unsafe { blas.multiply(product, std::ptr::null_mut()) };
        let done = done.map_err(|reason| CudaError::Driver {
            ordinal: 0,
            action: "multiply matrices",
            reason,
        })?;
        self.products += usize::from(done);
        Ok(done)
    }

    fn capture(
        &mut self,
        work: &mut dyn FnMut(&mut Self) -> Result<(), CudaError>,
    ) -> Result<Graph, CudaError> {
        self.capturing = Some(Vec::new());
        let worked = work(self);
        let captured = self.capturing.take().unwrap_or_default();
        worked?;
        self.graphs.push(captured);
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph) -> Result<(), CudaError> {
        self.replays += 1;
        self.graphs[graph.0].iter_mut().try_for_each(|work| work())
    }
}
