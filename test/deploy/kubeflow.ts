// The fields that Kubeflow's own resources have, as read in the definitions that its releases install: MPIJob v2beta1
// of the MPI operator 0.8, TrainingRuntime and TrainJob v1alpha1 of the Trainer 2, PyTorchJob v1 of the training
// operator 1.9. No package has these schemas. Templates of pods and jobs inside them are Kubernetes' own: see
// training.test.ts.

const text = { type: 'string' }
const count = { type: 'integer', minimum: 0 }
const flag = { type: 'boolean' }
const texts = { type: 'array', items: text }
const any = { type: 'object' }
/** An object of these fields and no others. */
const fields = (properties: Record<string, object>, required: readonly string[] = []): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const runPolicy = fields({
  activeDeadlineSeconds: count,
  backoffLimit: count,
  cleanPodPolicy: { enum: ['None', 'Running', 'All'] },
  managedBy: text,
  schedulingPolicy: any,
  suspend: flag,
  ttlSecondsAfterFinished: count,
})
const replicas = fields({ replicas: count, restartPolicy: { enum: ['Always', 'OnFailure', 'Never', 'ExitCode'] }, template: any }, [
  'template',
])

const jobSet = fields({
  failurePolicy: fields({ maxRestarts: count, restartStrategy: { enum: ['Recreate', 'BlockingRecreate', 'InPlaceRestart'] }, rules: any }),
  network: fields({ enableDNSHostnames: flag, publishNotReadyAddresses: flag, subdomain: text }),
  replicatedJobs: {
    type: 'array',
    items: fields({ name: text, groupName: text, replicas: count, dependsOn: { type: 'array' }, template: any }, ['name', 'template']),
  },
  successPolicy: any,
  startupPolicy: any,
  suspend: flag,
  ttlSecondsAfterFinished: count,
})

/** The schema of `spec` by kind. */
export const SPECS: Readonly<Record<string, object>> = {
  'kubeflow.org/v2beta1 MPIJob': fields(
    {
      launcherCreationPolicy: { enum: ['AtStartup', 'WaitForWorkersReady'] },
      mpiImplementation: { enum: ['OpenMPI', 'Intel', 'MPICH'] },
      mpiReplicaSpecs: fields({ Launcher: replicas, Worker: replicas }, ['Launcher']),
      runLauncherAsWorker: flag,
      runPolicy,
      slotsPerWorker: count,
      sshAuthMountPath: text,
    },
    ['mpiReplicaSpecs'],
  ),
  'kubeflow.org/v1 PyTorchJob': fields(
    { elasticPolicy: any, nprocPerNode: text, pytorchReplicaSpecs: fields({ Master: replicas, Worker: replicas }), runPolicy },
    ['pytorchReplicaSpecs'],
  ),
  'trainer.kubeflow.org/v1alpha1 TrainingRuntime': fields({
    mlPolicy: fields({
      numNodes: count,
      torch: fields({ envInjection: any }),
      mpi: fields({ mpiImplementation: { enum: ['OpenMPI'] }, numProcPerNode: count, runLauncherAsNode: flag, sshAuthMountPath: text }),
    }),
    podGroupPolicy: any,
    template: fields({ metadata: any, spec: jobSet }),
  }),
  'trainer.kubeflow.org/v1alpha1 TrainJob': fields(
    {
      activeDeadlineSeconds: count,
      initializer: any,
      managedBy: text,
      runtimePatches: { type: 'array' },
      runtimeRef: fields({ apiGroup: text, kind: { enum: ['TrainingRuntime', 'ClusterTrainingRuntime'] }, name: text }, ['name']),
      suspend: flag,
      trainer: fields({
        args: texts,
        command: texts,
        env: { type: 'array' },
        image: text,
        numNodes: count,
        numProcPerNode: count,
        resourcesPerNode: fields({ claims: { type: 'array' }, limits: any, requests: any }),
      }),
    },
    ['runtimeRef'],
  ),
}
