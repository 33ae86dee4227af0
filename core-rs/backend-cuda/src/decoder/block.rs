//! One layer.

use tgi_cuda_kernels::signatures::{
    ActivationParams, AttentionCombineParams, AttentionParams, Kernel, RopeKvParams,
};

use super::adapters::add_updates;
use super::{Decoder, FeedForward, Layer, Pending, Step};
use crate::CudaError;
use crate::buckets::layer_splits;
use crate::device::{Device, Region};
use crate::launch::launch;
use crate::matrix::{Matrix, Rows};

impl Decoder {
    /// Attention and MLP; gives what they add to the residual stream.
    pub(super) fn block<D: Device>(
        &self,
        step: &mut Step<D>,
        layer: &Layer,
        number: usize,
        pending: Pending,
    ) -> Result<Pending, CudaError> {
        let arena = step.arena;
        self.norm(step, pending, layer.attention_norm, arena.normed)?;
        self.attend(step, layer, number)?;
        let attended = Pending {
            delta: Some(arena.delta),
            second: None,
            norm: layer.post_attention_norm,
            sum_norm: layer.attention_sum_norm,
        };
        if !layer.is_parallel {
            self.norm(step, attended, layer.mlp_norm, arena.normed)?;
            self.feed_forward(step, layer, arena.delta)?;
            let (norm, sum_norm) = (layer.post_mlp_norm, layer.mlp_sum_norm);
            return Ok(Pending { norm, sum_norm, ..attended });
        }
        if layer.mlp_norm.is_some() {
            self.norm(step, Pending::default(), layer.mlp_norm, arena.normed)?;
        }
        self.feed_forward(step, layer, arena.second_delta)?;
        Ok(Pending { second: Some(arena.second_delta), ..attended })
    }

    /// From the normed rows to `delta`.
    fn attend<D: Device>(
        &self,
        step: &mut Step<D>,
        layer: &Layer,
        number: usize,
    ) -> Result<(), CudaError> {
        let arena = step.arena;
        self.multiply(step, &layer.qkv, arena.normed, arena.qkv)?;
        self.rope(step, layer, number)?;
        let params = self.attention_params(step, layer, number);
        let geometry = match self.attention.kernel {
            Kernel::AttentionMma(..) => params.launch_mma(),
            _ => params.launch(),
        };
        launch(step.device, self.attention.kernel, geometry, &params)?;
        if params.splits > 0 {
            let params = AttentionCombineParams {
                partials: params.partials,
                tile_list: params.tile_list,
                out: params.out,
                tiles: params.tiles,
                tile_rows: params.tile_rows,
                heads: params.heads,
                head_size: params.head_size,
                window: params.window,
                splits: params.splits,
            };
            let kernel = Kernel::AttentionCombine(step.element);
            launch(step.device, kernel, params.launch(), &params)?;
        }
        self.multiply(step, &layer.attention_output, arena.attended, arena.delta)
    }

    fn rope<D: Device>(
        &self,
        step: &mut Step<D>,
        layer: &Layer,
        number: usize,
    ) -> Result<(), CudaError> {
        let attention = &self.attention;
        let address = |region: Option<Region>| region.map_or(0, |region| region.address);
        let [k_cache, v_cache] = step.kv.layer(number).map(|region| region.address);
        let params = RopeKvParams {
            qkv: step.arena.qkv.address,
            q: step.arena.queries.address,
            k_cache,
            v_cache,
            cos_sin: address(layer.rope),
            positions: step.input(step.layout.positions.start),
            slots: step.input(step.layout.slots.start),
            q_norm: address(layer.query_norm),
            k_norm: address(layer.key_norm),
            rows: step.shape.rows as u32,
            heads: attention.heads as u32,
            kv_heads: attention.kv_heads as u32,
            head_size: attention.head_size as u32,
            stride: layer.qkv.outputs as u32,
            rope_dims: attention.rope_dimensions as u32,
            layout: attention.rope_layout as u32,
            qk_norm: attention.qk_norm as u32,
            epsilon: self.epsilon,
            reserved: 0,
        };
        launch(step.device, Kernel::RopeKv(step.element), params.launch(), &params)
    }

    fn attention_params<D: Device>(
        &self,
        step: &Step<D>,
        layer: &Layer,
        number: usize,
    ) -> AttentionParams {
        let (attention, shape) = (&self.attention, step.shape);
        let [k_cache, v_cache] = step.kv.layer(number).map(|region| region.address);
        AttentionParams {
            q: step.arena.queries.address,
            k_cache,
            v_cache,
            page_table: step.input(step.layout.pages),
            tile_list: step.input(step.layout.tiles.start),
            slopes: attention.slopes.map_or(0, |slopes| slopes.address),
            out: step.arena.attended.address,
            partials: step.arena.partials.address,
            tiles: shape.tiles as u32,
            tile_rows: shape.tile_rows as u32,
            heads: attention.heads as u32,
            kv_heads: attention.kv_heads as u32,
            head_size: attention.head_size as u32,
            q_stride: (attention.heads * attention.head_size) as u32,
            window: layer.window.unwrap_or(0) as u32,
            splits: layer_splits(shape.splits, layer.window, shape.tile_rows),
            scale: attention.scale,
            soft_cap: attention.soft_cap,
        }
    }

    /// From the normed rows to `out`.
    fn feed_forward<D: Device>(
        &self,
        step: &mut Step<D>,
        layer: &Layer,
        out: Region,
    ) -> Result<(), CudaError> {
        let arena = step.arena;
        match &layer.feed_forward {
            FeedForward::Dense { inward, down } => {
                self.multiply(step, inward, arena.normed, arena.inner)?;
                self.activate(step, step.shape.rows)?;
                self.multiply(step, down, arena.activated, out)
            }
            FeedForward::Experts { router, inward, down } => {
                self.use_experts(step, router, (inward, down), out)
            }
        }
    }

    /// Between the projections of so many rows.
    pub(super) fn activate<D: Device>(
        &self,
        step: &mut Step<D>,
        rows: usize,
    ) -> Result<(), CudaError> {
        let params = ActivationParams {
            input: step.arena.inner.address,
            out: step.arena.activated.address,
            rows: rows as u32,
            width: self.mlp.width as u32,
            kind: self.mlp.kind as u32,
            gated: self.mlp.is_gated.into(),
        };
        launch(step.device, Kernel::Activation(step.element), params.launch(), &params)
    }

    fn multiply<D: Device>(
        &self,
        step: &mut Step<D>,
        matrix: &Matrix,
        x: Region,
        y: Region,
    ) -> Result<(), CudaError> {
        let rows = Rows { count: step.shape.rows, x, y, is_f32: false };
        self.multiplier.run(step.device, matrix, rows)?;
        match &matrix.updates {
            Some(updates) if step.shape.is_adapted => add_updates(step, (matrix, updates), rows),
            _ => Ok(()),
        }
    }
}
