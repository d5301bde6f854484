// Names of Keras' files in ours: classes, options, and what has an option that is named otherwise.

/** 'kernel_size' as 'kernelSize'. */
export const camel = (name: string): string => name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** 'kernelSize' as 'kernel_size', 'maxPooling2d' as 'max_pooling2d'. */
export const snake = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()

/** The name of a layer's group in weights files of Keras 3: 'Conv2DTranspose' as 'conv2d_transpose'. */
export const groupName = (className: string): string =>
  className
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()

/** Keras' classes under our names, where they are spelt otherwise; the first of several is the one that is written. */
const SPELT: readonly (readonly [string, string])[] = [
  ['MaxPooling1D', 'MaxPooling1d'],
  ['MaxPool1D', 'MaxPooling1d'],
  ['AveragePooling1D', 'AveragePooling1d'],
  ['AvgPool1D', 'AveragePooling1d'],
  ['MaxPooling2D', 'MaxPooling2d'],
  ['MaxPool2D', 'MaxPooling2d'],
  ['AveragePooling2D', 'AveragePooling2d'],
  ['AvgPool2D', 'AveragePooling2d'],
  ['MaxPooling3D', 'MaxPooling3d'],
  ['MaxPool3D', 'MaxPooling3d'],
  ['AveragePooling3D', 'AveragePooling3d'],
  ['AvgPool3D', 'AveragePooling3d'],
  ['GlobalMaxPooling1D', 'GlobalMaxPooling1d'],
  ['GlobalMaxPool1D', 'GlobalMaxPooling1d'],
  ['GlobalAveragePooling1D', 'GlobalAveragePooling1d'],
  ['GlobalMaxPooling2D', 'GlobalMaxPooling2d'],
  ['GlobalMaxPool2D', 'GlobalMaxPooling2d'],
  ['GlobalAveragePooling2D', 'GlobalAveragePooling2d'],
  ['GlobalMaxPooling3D', 'GlobalMaxPooling3d'],
  ['GlobalMaxPool3D', 'GlobalMaxPooling3d'],
  ['GlobalAveragePooling3D', 'GlobalAveragePooling3d'],
  ['Conv1D', 'Conv1d'],
  ['Convolution1D', 'Conv1d'],
  ['Conv2D', 'Conv2d'],
  ['Convolution2D', 'Conv2d'],
  ['Conv3D', 'Conv3d'],
  ['Convolution3D', 'Conv3d'],
  ['Conv2DTranspose', 'Conv2dTranspose'],
  ['Convolution2DTranspose', 'Conv2dTranspose'],
  ['Conv3DTranspose', 'Conv3dTranspose'],
  ['DepthwiseConv2D', 'DepthwiseConv2d'],
  ['SeparableConv2D', 'SeparableConv2d'],
  ['SeparableConvolution2D', 'SeparableConv2d'],
  ['ConvLSTM2D', 'ConvLstm2d'],
  ['ConvLSTM2DCell', 'ConvLstm2dCell'],
  ['Conv1DTranspose', 'Conv1dTranspose'],
  ['Convolution1DTranspose', 'Conv1dTranspose'],
  ['SeparableConv1D', 'SeparableConv1d'],
  ['SeparableConvolution1D', 'SeparableConv1d'],
  ['ZeroPadding1D', 'ZeroPadding1d'],
  ['ZeroPadding3D', 'ZeroPadding3d'],
  ['Cropping1D', 'Cropping1d'],
  ['Cropping3D', 'Cropping3d'],
  ['UpSampling1D', 'UpSampling1d'],
  ['UpSampling3D', 'UpSampling3d'],
  ['ZeroPadding2D', 'ZeroPadding2d'],
  ['Cropping2D', 'Cropping2d'],
  ['UpSampling2D', 'UpSampling2d'],
  ['SpatialDropout1D', 'SpatialDropout1d'],
  ['SpatialDropout2D', 'SpatialDropout2d'],
  ['ReLU', 'Relu'],
  ['LeakyReLU', 'LeakyRelu'],
  ['PReLU', 'Prelu'],
  ['ELU', 'Elu'],
  ['ThresholdedReLU', 'ThresholdedRelu'],
  ['RMSNormalization', 'RmsNormalization'],
  ['SimpleRNN', 'SimpleRnn'],
  ['LSTM', 'Lstm'],
  ['GRU', 'Gru'],
  ['RNN', 'Rnn'],
  ['SimpleRNNCell', 'SimpleRnnCell'],
  ['LSTMCell', 'LstmCell'],
  ['GRUCell', 'GruCell'],
  ['StackedRNNCells', 'StackedRnnCells'],
]
const OURS: ReadonlyMap<string, string> = new Map(SPELT)
const THEIRS: ReadonlyMap<string, string> = new Map([...SPELT].reverse().map(([theirs, ours]) => [ours, theirs]))

/** Our class of the name in Keras' files; most have the same. */
export const ourClass = (className: string): string => OURS.get(className) ?? className
/** The class in Keras' files of our name. */
export const theirClass = (className: string): string => THEIRS.get(className) ?? className
