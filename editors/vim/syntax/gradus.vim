" The Gradus language. The lists of words are kept by a test (GRADUS_REWRITE=1 build/tests/editors_test rewrites them).
if exists('b:current_syntax')
  finish
endif

" A name is one word with its points: fc1.w'2.
syntax iskeyword @,48-57,192-255,_,.

syntax keyword gradusReserved carry cond else for if in next repeat return scan until while yield
syntax keyword gradusWordOperator and or not
syntax keyword gradusConstant true false none
syntax keyword gradusType bf16 bool f32 f64 float i32 i64 like u8
syntax keyword gradusCounter step epoch training pi
syntax keyword gradusInitializer zeros ones constant normal uniform he_normal he_uniform xavier_normal xavier_uniform lecun_normal

syntax match gradusOperation "\<\%(abs\|add\|arange\|argmax\|argmin\|argsort\|broadcast\|ceil\|channels_first\|channels_last\|concat\|convolution\|cos\|count\|div\|einsum\|equal\|erf\|exp\|fill\|flip\|floor\|floordiv\|fma\|gather\|grad\|greater\|greater_equal\|isnan\|len\|less\|less_equal\|log\|max\|maximum\|min\|minimum\|mod\|mul\|neg\|not_equal\|one_hot\|pad\|per_axis\|pow\|product\|random_bits\|range\|reciprocal\|reshape\|round\|rsqrt\|scatter_add\|sigmoid\|sign\|sin\|split\|sqrt\|stack\|stop_gradient\|sub\|sum\|tanh\|text\|transpose\|where\|window_argmax\|window_max\|window_sum\)\ze("
syntax match gradusLibrary "\<\%(identity\|relu\|leaky_relu\|prelu\|relu6\|elu\|selu\|celu\|gelu\|gelu_tanh\|silu\|mish\|softplus\|smooth_maximum\|log_sigmoid\|softsign\|hard_sigmoid\|hard_swish\|hard_tanh\|soft_shrink\|finite\|softmax\|log_softmax\|logsumexp\|glu\|maxout\|embedding\|learned_positions\|sinusoidal_positions\|angles\|rotary\|masked_softmax\|attention\|padding_mask\|multi_head_attention\|feed_forward\|encoder_block\|decoder_block\|conv1d\|conv2d\|conv3d\|depthwise_conv2d\|transposed_convolution\|conv_transpose1d\|conv_transpose2d\|conv_transpose3d\|max_pool\|avg_pool\|padding_beyond\|global_avg_pool\|global_max_pool\|adaptive_avg_pool\|resize_nearest\|resize_bilinear\|pixel_shuffle\|hessian_vector_product\|gradient_penalty\|straight_through\|round_straight\|sign_straight\|clamp_straight\|expm1\|log1p\|sinh\|cosh\|log2\|log10\|hypot\|logaddexp\|random_uniform\|random_normal\|fan_in\|fan_out\|weighted_mean\|class_cross_entropy\|cross_entropy\|label_weights\|mean_cross_entropy\|mse\|least_squares\|mae\|squared_error\|absolute_error\|huber\|smooth_l1\|log_cosh\|log_of_cosh\|binary_cross_entropy\|bounded_cross_entropy\|binary_cross_entropy_with_logits\|logit_cross_entropy\|focal\|kl_divergence\|hinge\|cosine_similarity\|cosine_embedding\|distance\|triplet\|poisson_nll\|gaussian_nll\|lower_mask\|tril\|triu\|clamp\|mean\|linear\|standardized\|batch_normalized\|moments\|variance\|along\|places\|layer_norm\|rms_norm\|rms_scaled\|group_norm\|instance_norm\|batch_norm\|conditioned\|decayed\|sgd\|momentum\|nesterov\|adagrad\|adadelta\|rmsprop\|adam\|adamw\|amsgrad\|adamax\|nadam\|radam\|lion\|lamb\|dropout\|channel_dropout\|gaussian_noise\|bernoulli\|random_gumbel\|random_exponential\|random_integers\|categorical\|gumbel_softmax\|permutation\|shuffled\|accumulated\|by_value\|by_norm\|shortened\|by_global_norm\|ema\|lstm_step\|lstm\|gru_step\|gru\|rnn\|bidirectional\|deep\|cumsum\|cumprod\|cummax\|cummin\|rk4_step\|rk4\|step_decay\|exponential_decay\|polynomial_decay\|cosine_decay\|cosine_restarts\|warmup\|one_cycle\|piecewise\|axis_last\|axis_back\|take_along\|sort\|top_k\|quantile\|median\)\ze("
syntax match gradusDeclaration "\<\%(accumulate\|as\|axis\|batch\|capture\|check\|checkpoint\|clip\|data\|dim\|ema\|epochs\|every\|fn\|graph\|import\|input\|layer\|length\|metric\|minimize\|model\|optimizer\|output\|param\|recompute\|reverse\|section\|seed\|state\|steps\|tol\|train\|validate\|wrt\)\ze\s\+\%(\%(in\|and\|or\|if\|else\|for\)\>\)\@![\"A-Za-z_0-9([]"
syntax match gradusDeclaration "\<\%(apply\|vjp\)\ze("
syntax match gradusDeclaration "\<wrt\ze\s\+\*"
syntax match gradusDeclaration "^\s*barrier\>"
syntax match gradusArgument "\<\h\w*\ze==\@!"
syntax match gradusNumber "\<\%(0x\x\+\|\d\+\.\d\+\%([eE][-+]\=\d\+\)\=\|\d\+[eE][-+]\=\d\+\|\d\+\)\>"
syntax match gradusNumber "\<\%(inf\|nan\)\>"
syntax match gradusName "\<\h[A-Za-z0-9_.]*'\d\+"
syntax match gradusOperator "\*\*\|//\|[=!<>]=\|[-+*/%@<>=~]"
syntax region gradusString start=+"+ skip=+\\.+ end=+"+ oneline
syntax match gradusNote "|.\{-}\ze\%( #\|$\)"
syntax match gradusComment "#.*$" contains=gradusTodo,@Spell
syntax keyword gradusTodo TODO FIXME contained

highlight default link gradusReserved Statement
highlight default link gradusWordOperator Operator
highlight default link gradusConstant Constant
highlight default link gradusType Type
highlight default link gradusCounter Special
highlight default link gradusInitializer Function
highlight default link gradusOperation Function
highlight default link gradusLibrary Function
highlight default link gradusDeclaration Keyword
highlight default link gradusArgument Identifier
highlight default link gradusNumber Number
highlight default link gradusOperator Operator
highlight default link gradusString String
highlight default link gradusNote SpecialComment
highlight default link gradusComment Comment
highlight default link gradusTodo Todo

let b:current_syntax = 'gradus'
