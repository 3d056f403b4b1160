/** The door of `@azure/cosmos`: the store uses the container that it is given, so little more than types comes from the package. */
export { ChangeFeedStartFrom } from '@azure/cosmos';
export type { Container, ContainerDefinition, Database, ItemDefinition, ItemResponse, OperationInput, RequestOptions, SqlQuerySpec } from '@azure/cosmos';
